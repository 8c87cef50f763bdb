// No mark of an unfinished merge in any file that is kept.
import { spawnSync } from 'node:child_process';

/** @param root a git work tree @returns what is wrong, a line each; empty: nothing */
export function checkMarks(root) {
  const { status, stdout, stderr } = spawnSync('git', ['grep', '-nIE', '^(<{7}|>{7}|\\|{7}) '], { cwd: root, encoding: 'utf8' });
  if (status === 1) return [];
  if (status !== 0) throw new Error(stderr);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => `${line.split(':', 2).join(':')}: a mark of a merge -> finish the merge`);
}
