import type { ChangeFeed } from '../../src/mcp/resources/changes.ts';

/** For tests that are about other things: nothing ever changes. */
export const noChanges: ChangeFeed = { covers: () => false, listen: () => () => {} };
