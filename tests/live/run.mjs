// npm run test:live: stories over all tools in one pool of a real cluster. docs/tested-against.md describes it.
import { runBundled } from '../../scripts/bundled.mjs';

await runBundled('tests/live/main.ts');
