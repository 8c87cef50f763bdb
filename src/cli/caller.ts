import { userInfo } from 'node:os';
import type { Caller } from '../core/caller.ts';

/** Whoever runs this process. Local callers are one principal per user of the operating system, whatever program they use. */
export function localCaller(channel: 'cli' | 'stdio', face: Partial<Pick<Caller, 'client' | 'canAsk' | 'isOperator'>> = {}): Caller {
  const user = `local:${process.getuid?.() ?? userInfo().username}`;
  return { principal: user, owner: user, channel, canAsk: { elicitation: false, terminal: false }, isOperator: false, ...face };
}
