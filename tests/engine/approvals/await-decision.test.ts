import { expect, it, vi } from 'vitest';
import * as z from 'zod';
import type { ApprovalRecord } from '../../../src/core/plan/approval.ts';
import type { RunRecord } from '../../../src/core/plan/run.ts';
import { waitForDecision } from '../../../src/engine/approvals/await-decision.ts';
import { Deadline } from '../../../src/engine/calls/deadline.ts';
import type { PerformOptions } from '../../../src/engine/types.ts';
import type { ChangeOperation } from '../../../src/operations/define.ts';
import { asker, iso, type Parts, planOf } from '../../helpers/parts.ts';
import { ask, useRequests } from '../../helpers/requests.ts';

const requests = useRequests();
const operation = { name: 'stop_vm', output: z.object({ done: z.boolean() }), report: async () => ({ done: true }) };
const done = { kind: 'done', output: { done: true } };

/** A call that waits, `late` seconds after the start of the test's time. */
function waiting(ports: Parts, approval: ApprovalRecord, options: PerformOptions = {}, deadline = options.wait) {
  const made = new Deadline(deadline ?? 'end', ports.clock.now(), ports);
  const call = { operation: operation as unknown as ChangeOperation, caller: asker(), options, deadline: made };
  return { deadline: made, result: waitForDecision(approval, call, ports) };
}
const waitFor = (...args: Parameters<typeof waiting>) => waiting(...args).result;

/** Does each thing once when the call has waited that many seconds; counts how often it slept. */
function during(ports: Parts, plan: Record<number, () => Promise<unknown>>) {
  const sleep = ports.clock.sleep.bind(ports.clock);
  const due = Object.entries(plan).map(([seconds, act]) => ({ at: ports.clock.at + Number(seconds), act }));
  const seen = { sleeps: 0 };
  ports.clock.sleep = async (ms) => {
    seen.sleeps += 1;
    await sleep(ms);
    while (due[0] && ports.clock.at >= due[0].at) await due.shift()?.act();
  };
  return seen;
}

/** Another process decides yes and begins the run. */
const begin = (ports: Parts, approval: ApprovalRecord) => {
  const { proxmox } = ports;
  const run = { id: `run-${approval.id}`, operation: 'stop_vm', args: { vmid: 105 }, cluster: proxmox.cluster, principal: 'x' };
  return requests.store.runs.begin({ ...run, plan: planOf(), digest: 'd', startedAt: iso(0) }, 'other', iso(9999), {
    decision: {
      approvalId: approval.id,
      decidedBy: 'anna',
      decidedVia: 'human',
    },
  });
};
const finish = (approval: ApprovalRecord) =>
  requests.store.runs.end(`run-${approval.id}`, 'other', { status: 'succeeded', steps: [], endedAt: iso(9) });

/** Its time began long before the call. */
async function place() {
  const ports = requests.world();
  ports.clock.at = 100;
  const approval = await ask(ports);
  return { ports, approval };
}

it('is answered at once when neither call nor caller waits', async () => {
  const { ports, approval } = await place();
  expect(await waitFor(ports, approval)).toEqual({ kind: 'approval_required', approval, waited: 0 });
  expect(ports.clock.at).toBe(100);
});

it.each<[string, PerformOptions, number]>([
  ['the time for a human', { waitForHuman: 60 }, 60],
  ['the time for the outcome, where none is for a human', { wait: 30 }, 30],
  ['the time for a human before that for the outcome', { waitForHuman: 20, wait: 40 }, 20],
  ['no time for a human, whatever is for the outcome', { waitForHuman: 0, wait: 40 }, 0],
  ["the call's deadline, where it is sooner", { waitForHuman: 60, wait: 10 }, 10],
])('is waited for %s', async (_, options, seconds) => {
  const { ports, approval } = await place();
  expect(await waitFor(ports, approval, options)).toEqual({ kind: 'approval_required', approval, waited: seconds });
  expect(ports.clock.at - 100).toBeGreaterThan(seconds - 0.1);
  expect(ports.clock.at - 100).toBeLessThan(seconds + 0.5);
});

it('is waited for until it expires where the call waits for the end, and the audit says so', async () => {
  const { ports, approval } = await place();
  ports.clock.at = 990;
  await expect(waitFor(ports, approval, { wait: 'end' })).rejects.toMatchObject({ code: 'approval_expired' });
  expect(ports.clock.at).toBeGreaterThan(999.9);
  expect(ports.clock.at).toBeLessThan(1001);
  expect(ports.told).toMatchObject([{}, { kind: 'decision', status: 'expired', approvalId: approval.id }]);
});

it('ends as soon as the caller goes away', async () => {
  const { ports, approval } = await place();
  const gone = new AbortController();
  during(ports, { 2: async () => gone.abort() });
  expect(await waitFor(ports, approval, { waitForHuman: 60, signal: gone.signal })).toMatchObject({ kind: 'approval_required', waited: 2 });
});

it('is the answer of a call whose deadline passes meanwhile, with the seconds that were waited', async () => {
  const { ports, approval } = await place();
  const sleeping: (() => void)[] = [];
  ports.clock.sleep = () => new Promise((resolve) => void sleeping.push(resolve));
  const { deadline, result } = waiting(ports, approval, { waitForHuman: 60, wait: 60 });
  const answered = deadline.race(() => result);
  await vi.waitFor(() => expect(sleeping).toHaveLength(2));
  ports.clock.at += 7.4;
  sleeping[0]?.();
  expect(await answered).toEqual({ kind: 'approval_required', approval, waited: 7 });
});

it('throws the reason when a human denies', async () => {
  const { ports, approval } = await place();
  during(ports, { 3: () => requests.store.approvals.move(approval.id, 'pending', 'denied', { note: 'not today' }) });
  await expect(waitFor(ports, approval, { waitForHuman: 60 })).rejects.toMatchObject({
    code: 'approval_denied',
    message: `Approval ${approval.id} was denied: not today.`,
  });
  expect(ports.clock.at).toBeLessThan(104);
});

it('returns the outcome of the run that a human started, once the run has ended', async () => {
  const { ports, approval } = await place();
  during(ports, { 3: () => begin(ports, approval), 9: () => finish(approval) });
  expect(await waitFor(ports, approval, { waitForHuman: 60 })).toEqual(done);
  expect(ports.clock.at).toBeGreaterThan(108.9);
  expect(ports.clock.at).toBeLessThan(110);
});

it('is answered as running when the time is over and the run is not', async () => {
  const { ports, approval } = await place();
  during(ports, { 3: () => begin(ports, approval) });
  expect(await waitFor(ports, approval, { waitForHuman: 10 })).toMatchObject({ kind: 'running' });
  expect(ports.clock.at).toBeGreaterThan(109.9);
  expect(ports.clock.at).toBeLessThan(110.5);
});

it('is answered as running at once where the call does not wait', async () => {
  const { ports, approval } = await place();
  await begin(ports, approval);
  expect(await waitFor(ports, approval)).toMatchObject({ kind: 'running' });
  expect(ports.clock.at).toBe(100);
});

it('is looked up every 300 ms, also for a run of another process', async () => {
  const { ports, approval } = await place();
  const seen = during(ports, { 3: () => begin(ports, approval) });
  await waitFor(ports, approval, { waitForHuman: 6 });
  expect(seen.sleeps).toBe(20);
});

it('is answered at once when a run of this process has ended', async () => {
  const { ports, approval } = await place();
  await begin(ports, approval);
  let sleeps = () => {};
  const ended = new Promise<void>((resolve) => (sleeps = resolve)).then(() => finish(approval)).then(() => ({}) as RunRecord);
  ports.clock.sleep = () => new Promise(sleeps);
  ports.inFlight.track(`run-${approval.id}`, ended);
  expect(await waitFor(ports, approval, { waitForHuman: 60 })).toEqual(done);
});

it('is waited for while its run cannot be read, and answered as it is stored then', async () => {
  const { ports, approval } = await place();
  const { store } = requests;
  const unread = { ...store, runs: Object.assign(Object.create(store.runs), { get: async () => undefined }) };
  await begin(ports, approval);
  ports.store = async () => unread;
  expect(await waitFor(ports, approval, { waitForHuman: 5 })).toMatchObject({
    kind: 'approval_required',
    approval: { status: 'executing', runId: `run-${approval.id}` },
    waited: 5,
  });
});

it('is answered as it was requested when the store has lost it', async () => {
  const { ports, approval } = await place();
  const { store } = requests;
  const lost = { ...store, approvals: Object.assign(Object.create(store.approvals), { get: async () => undefined }) };
  ports.store = async () => lost;
  expect(await waitFor(ports, approval, { waitForHuman: 5 })).toEqual({ kind: 'approval_required', approval, waited: 5 });
});
