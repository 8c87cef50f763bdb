import { afterEach, describe, expect, it } from 'vitest';
import type { Caller } from '../../../src/core/people/caller.ts';
import type { Answer } from '../../../src/core/plan/approval.ts';
import { agent, openWorld, type World } from '../../helpers/world.ts';

let world: World;
afterEach(() => world.close());

const asking: Caller = { ...agent, canAsk: { elicitation: true, terminal: false } };

/** A running guest whose stop waits for the form's answer. */
async function asked() {
  world = await openWorld({ approval: { mode: 'auto', ttlSeconds: 900, maxPendingPerPrincipal: 10 } });
  const vmid = (await world.done('create_vm', { name: 'web2', disk_gb: 1, start_on_create: true })).vmid as number;
  const result = await world.call('stop_vm', { vmid, force: true }, {}, asking);
  if (result.kind !== 'approval_required') throw new Error(`not asked but ${result.kind}`);
  const { id } = result.approval;
  const answer = (more: Partial<Answer>) =>
    world.call('approve', { approval_id: id }, { answer: { approvalId: id, via: 'elicitation', typed: '', seconds: 8, ...more } }, asking);
  const record = async () => {
    const { approvals } = (await world.done('list_approvals', {}, {}, asking)) as { approvals: Record<string, string>[] };
    return approvals.find(({ approval_id }) => approval_id === id);
  };
  const stops = () => world.cluster.mutations().filter(({ path }) => path.includes('/status/stop')).length;
  return { id, vmid, answer, record, stops };
}

describe('the answer to a form in the client', () => {
  it('that declines after a person could read it is a no: denied, and not asked again', async () => {
    const { answer, record, stops } = await asked();
    const refused = await world.refused(answer({ action: 'decline', seconds: 1 }));
    expect(refused).toMatchObject({
      code: 'approval_denied',
      message: expect.stringContaining('declined'),
      hint: expect.stringContaining('Do not ask again'),
    });
    expect(await record()).toMatchObject({ status: 'denied', note: 'declined in the client' });
    expect(world.audit()).toContainEqual(
      expect.objectContaining({ kind: 'decision', status: 'denied', message: 'declined in the client' }),
    );
    expect(stops()).toBe(0);
  });

  it('that declines sooner was given by the client: pending, with how to decide elsewhere', async () => {
    const { id, answer, record } = await asked();
    const refused = await world.refused(answer({ action: 'decline', seconds: 0.999 }));
    expect(refused).toMatchObject({
      code: 'approval_not_confirmed',
      message: expect.stringMatching(/seems to show no forms\. .*pending until \d{4}-/),
      hint: expect.stringContaining(`proxmox-mcp approvals approve ${id}`),
    });
    expect(await record()).toMatchObject({ status: 'pending' });
  });

  it.each<[string, Partial<Answer>, (vmid: number) => string]>([
    ['closes it', { action: 'cancel' }, () => 'The form was closed without an answer.'],
    ['is empty', { action: 'accept', typed: '' }, (vmid) => `The typed text is empty, not "web2 ${vmid}".`],
    ['is a wrong name', { action: 'accept', typed: 'web1\u202e' }, (vmid) => `The typed text is "web1", not "web2 ${vmid}".`],
    ['cannot be read', { action: 'odd' }, () => "The client's answer to the form cannot be read."],
  ])('that %s leaves the approval pending, with a text of its own', async (_what, more, text) => {
    const { vmid, answer, record, stops } = await asked();
    const refused = await world.refused(answer(more));
    expect(refused.code).toBe('approval_not_confirmed');
    expect(refused.message).toContain(text(vmid));
    expect(refused.message).toContain('pending until');
    expect(await record()).toMatchObject({ status: 'pending' });
    expect(stops()).toBe(0);
  });

  it('is recorded and shown as answered in the client', async () => {
    const { vmid, answer, record } = await asked();
    await answer({ action: 'accept', typed: `web2 ${vmid}`, seconds: 2 });
    const shown = await record();
    expect(shown).toMatchObject({ status: 'succeeded', decided_via: 'answered in the client' });
    expect(shown?.note).toBeUndefined();
    expect(world.audit()).toContainEqual(
      expect.objectContaining({ kind: 'decision', status: 'approved', message: 'answered in the client' }),
    );
  });

  it('is marked when it came faster than a person reads and types', async () => {
    const { vmid, answer, record, stops } = await asked();
    await answer({ action: 'accept', typed: `web2 ${vmid}`, seconds: 1.9 });
    const mark = 'answered within 2 s of the form: possibly by the client itself';
    expect(await record()).toMatchObject({ status: 'succeeded', note: mark });
    expect(world.audit()).toContainEqual(
      expect.objectContaining({ kind: 'decision', status: 'approved', message: `answered in the client; ${mark}` }),
    );
    expect(stops()).toBe(1);
  });

  it('counts once: a yes that led to nothing does not count again, in whatever process', async () => {
    const { id, vmid, answer, record, stops } = await asked();
    const yes: Partial<Answer> = { action: 'accept', typed: `web2 ${vmid}`, formId: 'the form' };
    world.cluster.simulator.faults.add({ match: { method: 'GET', path: `/qemu/${vmid}/` }, action: 'status', status: 500 });
    expect(await world.refused(answer(yes))).toMatchObject({ code: 'proxmox_refused' });
    world.cluster.simulator.faults.clear();
    expect(await record()).toMatchObject({ status: 'pending' });
    const options = { answer: { approvalId: id, via: 'elicitation' as const, typed: '', seconds: 8, ...yes } };
    const again = world.another().perform('approve', { approval_id: id }, asking, options);
    expect(await world.refused(again)).toMatchObject({
      code: 'approval_not_confirmed',
      message: 'This question was answered before.',
      hint: expect.stringContaining(`how approval ${id} stands`),
    });
    expect(stops()).toBe(0);
    await answer({ ...yes, formId: 'another form' });
    expect(stops()).toBe(1);
  });
});
