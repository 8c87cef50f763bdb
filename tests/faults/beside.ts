import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lazy } from '../../src/core/lazy.ts';
import { startSimulator } from '../../src/simulator/index.ts';
import { wholeState } from '../helpers/whole-state.ts';
import { fastClock } from './pace.ts';

/**
 * The cluster that stands beside those of the cells: it has their VMIDs and names, no call names it, and no cell may change it. So all cells
 * share one.
 */
export const beside = lazy(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'beside-'));
  const file = join(folder, 'simulator.db');
  const changes: string[] = [];
  const simulator = await startSimulator({
    file,
    now: fastClock.now,
    timeScale: 0.3,
    certificate: 'second',
    onRequest: ({ method, path }) => void (method !== 'GET' && changes.push(`${method} ${path}`)),
  });
  const before = wholeState(file);
  return {
    simulator,
    /** Requests that would change it, and the documents that differ from those of before. */
    changes() {
      const after = wholeState(file);
      const lost = before.filter((line) => !after.includes(line));
      return [...changes, ...lost.map((line) => `- ${line}`), ...after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`)];
    },
    async close() {
      await simulator.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
});
