import { expect, it } from 'vitest';
import type { RunRecord } from '../../../../src/core/plan/run.ts';
import { Watch } from '../../../../src/engine/runs/outcome/watch.ts';
import { iso, parts, planOf, requestStep, runOf } from '../../../helpers/parts.ts';

const step = requestStep('start', { task: { type: 'qmstart', id: '105', node: 'pve', timeoutSeconds: 60 } });
const open: RunRecord = runOf({
  plan: planOf({ steps: [step] }),
  status: 'unknown',
  steps: [{ id: 'start', state: 'unknown', at: iso(0) }],
  endedAt: iso(0),
});

/** The seconds at which Proxmox's list of tasks is read; the clock moves only while it is slept. */
function watched(run: RunRecord, already = 0) {
  const ports = parts({ runs: { get: async () => run, unknown: async () => [run], byUpid: async () => undefined } });
  ports.clock.at = already;
  const looks: number[] = [];
  ports.proxmox.findTask = async () => {
    looks.push(ports.clock.at);
    return undefined;
  };
  return { ports, looks };
}

/** The still clock does not break off, so that closing waits to the end. */
async function toTheEnd(begin: (watch: Watch) => unknown): Promise<void> {
  const watch = new Watch();
  await begin(watch);
  await watch.close();
}

it('a request of unknown outcome is searched for during a quarter of an hour, with growing pauses', async () => {
  const { ports, looks } = watched(open);
  await toTheEnd((watch) => watch.begin(open, ports));
  expect(looks.slice(0, 8)).toEqual([5, 15, 35, 65, 125, 185, 245, 305]);
  expect(looks.at(-1)).toBe(905);
});

it('a run that another process left is watched for the rest of that time, and not afterwards', async () => {
  const { ports, looks } = watched(open, 800);
  await toTheEnd((watch) => watch.takeUp(ports));
  expect(looks).toEqual([805, 815, 835, 865, 925]);
  await toTheEnd((watch) => watch.takeUp(ports));
  expect(looks).toHaveLength(5);
});
