import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rowsOf } from '../helpers/rows.ts';
import { type Agent, connectAgent, openPlace, type Place } from './harness.ts';

/** Guests of the embedded cluster without its templates, and the one that the first test makes. */
const EXISTING = 11;
const ROOM = 3;

/** 50 calls at once in one server, and 5 servers with 10 each on one data folder. */
describe.each([
  { shape: '50 calls in one server', servers: 1, each: 50 },
  { shape: '5 servers × 10 calls on one data folder', servers: 5, each: 10 },
])('$shape', ({ servers, each }) => {
  let place: Place;
  let agents: Agent[];
  const all = (work: (agent: Agent, n: number) => Promise<Record<string, unknown> & { isError: boolean }>) =>
    Promise.all(Array.from({ length: servers * each }, (_, n) => work(agents[n % servers] as Agent, n)));

  beforeAll(async () => {
    place = await openPlace();
    agents = await Promise.all(Array.from({ length: servers }, () => connectAgent(place, { PROXMOX_MAX_VMS: String(EXISTING + ROOM) })));
  }, 60_000);
  afterAll(async () => {
    await Promise.all(agents.map((agent) => agent.close()));
    await place.close();
  });

  it('creates of one name make one guest', async () => {
    const answers = await all((agent, n) =>
      agent.tool('create_vm', { name: n % 2 === 0 ? 'only-one' : 'Only-One', storage: 'local-lvm', disk_gb: 1 }),
    );
    expect(answers.filter((a) => a.isError)).toEqual([]);
    expect(new Set(answers.map((a) => a.vmid)).size).toBe(1);
    expect(answers.filter((a) => a.created === true)).toHaveLength(1);
    expect(place.mutations().filter((r) => /\/qemu$/.test(r.path))).toHaveLength(1);
  }, 120_000);

  it('redemptions of one approval send one request', async () => {
    const [agent] = agents as [Agent];
    const asked = await agent.tool('stop_vm', { vmid: await running(agent), force: true });
    expect(asked.approval_required).toBe(true);
    const before = place.mutations().length;
    const answers = await all((a) => a.tool('approve', { approval_id: asked.approval_id }));
    // One principal: each call is the same yes, and gets its outcome.
    for (const answer of answers) expect(answer).toMatchObject({ approval_id: asked.approval_id, status: 'succeeded' });
    expect(place.mutations().length - before).toBe(1);
  }, 120_000);

  it('creates with room for three more guests make three', async () => {
    const [agent] = agents as [Agent];
    expect(await counted(agent)).toBe(EXISTING);
    const answers = await all((a, n) => a.tool('create_vm', { name: `room-${n}`, storage: 'local-lvm', disk_gb: 1 }));
    expect(answers.filter((a) => !a.isError && a.created === true)).toHaveLength(ROOM);
    for (const refused of answers.filter((a) => a.isError)) expect((refused.error as { code: string }).code).toBe('quota_exceeded');
    expect(await counted(agent)).toBe(EXISTING + ROOM);
  }, 120_000);
});

async function list(agent: Agent): Promise<{ vmid: number; status: string; type: string; template: boolean | null; ha: string | null }[]> {
  return rowsOf(await agent.tool('list_vms', { limit: 500, columns: ['type', 'template', 'ha'] }));
}
async function running(agent: Agent): Promise<number> {
  const guest = (await list(agent)).find((g) => g.status === 'running' && g.type === 'vm' && g.ha === null);
  return guest?.vmid ?? 0;
}
async function counted(agent: Agent): Promise<number> {
  return (await list(agent)).filter((g) => g.template !== true).length;
}
