import { describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../../src/core/clock.ts';
import type { Progress } from '../../../src/engine/types.ts';
import { withEngine } from '../../helpers/with-engine.ts';
import { agent } from '../../helpers/world.ts';

const world = withEngine({}, { timeScale: 0.3 });

/** Only sleep takes time, a hundredth of it: a busy machine adds no second to the messages. */
function sleptClock(): Clock {
  let now = Date.now();
  return {
    now: () => now,
    elapsed: () => now,
    async sleep(ms, signal) {
      await systemClock.sleep(ms / 100, signal);
      now += ms;
    },
  };
}

/** The messages meanwhile, on a clock that makes minutes of a moment. */
async function told(operation: string, args: object): Promise<Progress[]> {
  const seen: Progress[] = [];
  const engine = world().another({}, { clock: sleptClock() });
  const options = { wait: 'end' as const, onProgress: (progress: Progress) => void seen.push(progress) };
  const result = await engine.perform(operation, args, agent, options);
  if (result.kind === 'approval_required') await engine.perform('approve', { approval_id: result.approval.id }, agent, options);
  return seen;
}
const slow = (path: string) => world().cluster.simulator.faults.add({ match: { path }, action: 'slow-task', ms: 400 });
/** Each text once, without the numbers that differ from run to run. */
const texts = (seen: Progress[]) => [
  ...new Set(
    seen.map(({ done, total, message }) => `${done}/${total} ${message.replace(/UPID:\S+/, 'UPID').replace(/: \d+ s$/, ': N s')}`),
  ),
];
const seconds = (seen: Progress[], of: string) =>
  seen.flatMap(({ message }) => (message.startsWith(`${of}: `) && /\d s$/.test(message) ? [Number(/(\d+) s$/.exec(message)?.[1])] : []));

describe('the progress of a long change', () => {
  it('names each step of a create by its purpose, its task, the seconds it takes, and the end', async () => {
    slow('/qemu$');
    const image = 'local:import/debian-12-genericcloud-amd64.qcow2';
    const cloud_init = { user: 'ops', password: 'canary-password' };
    const seen = await told('create_vm', { name: 'long1', vmid: 300, image, cloud_init, tags: ['a'], start_on_create: true });
    const shown = texts(seen).filter((text) => !/^[123].*N s$/.test(text));
    expect(shown).toEqual([
      '0/4 create long1 (300) on pve',
      '0/4 create long1 (300) on pve: task UPID',
      '0/4 create long1 (300) on pve: N s',
      '1/4 grow the disk of long1 (300) to 32 GiB',
      '1/4 grow the disk of long1 (300) to 32 GiB: task UPID',
      '2/4 tag long1 (300)',
      '2/4 tag long1 (300): task UPID',
      '3/4 start long1 (300)',
      '3/4 start long1 (300): task UPID',
      '4/4 done',
    ]);
    const waited = seconds(seen, 'create long1 (300) on pve');
    expect(waited.length).toBeGreaterThan(1);
    expect(waited).toEqual(waited.toSorted((a, b) => a - b));
    expect(JSON.stringify(seen)).not.toContain('canary');
  });

  it('waits for a guest of HA, and no text says that it runs before it does', async () => {
    for (const [operation, done] of [
      ['stop_vm', 'stopped'],
      ['start_vm', 'started'],
    ] as const) {
      const seen = texts(await told(operation, { vmid: 102 })).filter((text) => text.includes('HA'));
      expect(seen).toEqual([`1/2 wait until the HA manager has ${done} it`, `1/2 wait until the HA manager has ${done} it: N s`]);
    }
  });
});
