// npm run evals: agents on operator tasks, on the embedded cluster. docs/evals.md describes it.
import { runBundled } from '../scripts/bundled.mjs';

await runBundled('evals/lib/main.ts');
