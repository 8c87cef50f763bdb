// A cluster whose every answer takes 20 ms more, and tasks that take their time: how many round trips a call takes, and how late it answers.
import { rawClient, vmidsOf } from './clients.mjs';
import { interleave } from './measure.mjs';

const LATER_MS = 20;
const STARTS = 5;
const TASKS = 3;

/**
 * Rows of [what, ms of each call, ms of each GET]. An agent lists the guests first, so where they are is known. Each guest is started once.
 * @returns the walls of a call beside those of one GET in the same rounds
 */
export async function roundTrips(cluster, connection, guests) {
  const [running, stopped] = [await vmidsOf(connection, 'running', STARTS), await vmidsOf(connection, 'stopped', STARTS)];
  const { node } = (await connection.call('get_vm', { vmid: running[0] })).data;
  const raw = rawClient(cluster.env);
  const path = `/nodes/${node}/qemu/${running[0]}/status/current`;
  await raw.ask(path);
  cluster.faults.add({ action: 'delay', ms: LATER_MS });
  const each = (vmids, work) => {
    let next = 0;
    return () => work(vmids[next++ % vmids.length]);
  };
  const start = async (vmid) => {
    const { data } = await connection.call('start_vm', { vmid, wait_seconds: 0 });
    if (data.status !== 'running' || data.run_id === undefined) throw new Error(`start_vm answered ${JSON.stringify(data)}`);
  };
  try {
    const values = await interleave(STARTS, {
      get: () => raw.ask(path).then(() => undefined),
      [`get_vm of a running guest, ${guests} guests`]: each(running, async (vmid) => void (await connection.call('get_vm', { vmid }))),
      [`start_vm until running, ${guests} guests`]: each(stopped, start),
    });
    const { get, ...calls } = values;
    return Object.entries(calls).map(([what, { wall }]) => [what, wall, get.wall]);
  } finally {
    cluster.faults.clear();
    raw.end();
  }
}

/** Rows of [what, seconds until the answer]. */
export async function waits(cluster, connection) {
  const stopped = await vmidsOf(connection, 'stopped', 2 * TASKS + 1);
  const start = async () => {
    const began = performance.now();
    const { data } = await connection.call('start_vm', { vmid: stopped.pop() });
    if (data.vmid === undefined || data.status !== 'running') throw new Error(`start_vm answered ${JSON.stringify(data)}`);
    return (performance.now() - began) / 1000;
  };
  // The first change of a process opens the store.
  await start();
  const took = { 2: [], 4: [] };
  for (let round = 0; round < TASKS; round++) {
    const both = Object.keys(took).map(async (seconds) => {
      cluster.faults.add({ match: { method: 'POST', path: '/status/start$' }, times: 1, action: 'slow-task', ms: seconds * 1000 });
      return start();
    });
    const [short, long] = (await Promise.all(both)).sort((a, b) => a - b);
    took[2].push(short);
    took[4].push(long);
  }
  cluster.faults.clear();
  return Object.entries(took).map(([seconds, all]) => [`start_vm with a task of ${seconds} s`, all]);
}
