import { appendFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { verifyAudit } from '../../src/audit/verify.ts';
import { typedName } from '../../src/core/guest.ts';
import { hashPassphrase } from '../../src/core/people/passphrase.ts';
import { newToken } from '../../src/http/auth/tokens.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { until } from '../e2e/harness.ts';
import { invalidRequests } from '../helpers/simulator.ts';
import { LoadAgent, numbers, type Outcome } from './agents.ts';
import { type Deployment, deploy } from './cluster.ts';

/**
 * Agents and mixed calls through nginx on three replicas and one PostgreSQL, while a replica dies, another is restarted and the database goes
 * down once. What must hold then is what the product promises; how fast it was is only reported. `npm run test:load` takes 200 agents and 5,000
 * calls; without it a slice runs.
 */
const AGENTS = Number(process.env.LOAD_AGENTS ?? 24);
const CALLS = Number(process.env.LOAD_CALLS ?? 480);
/** Seconds that each stretch of the test may take on the slowest machine; no promise depends on it. */
const STRETCH = 900;
const ROOM = 12;
const NAMES = 30;
const PASSPHRASE = 'correct horse battery';
const DESTRUCTIVE = /\/status\/(stop|shutdown|reboot)$/;

let place: Deployment;
let store: Store;
let guestsBefore: number;
beforeAll(async () => {
  const env = { PROXMOX_MAX_VMS: '22', PROXMOX_HTTP_RATE: '100000', PROXMOX_WAIT_SECONDS: '20', PROXMOX_MAX_PENDING: '3' };
  place = await deploy(env, async (databaseUrl) => {
    store = await openStore({ dataDir: '', databaseUrl });
    await makeToken('first', 'operator');
  });
  guestsBefore = (await place.guests()).length;
}, 60_000);
afterAll(async () => {
  await store?.close();
  await place?.close();
}, 60_000);

async function makeToken(name: string, role: 'operator' | 'approver'): Promise<string> {
  const { token, id, hash } = newToken();
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
  const record = { id, name, owner: name, role, hash, cidrs: [], trustsClient: false, createdAt: new Date().toISOString(), expiresAt };
  expect(await store.tokens.add(record)).toBe(true);
  return token;
}

type Post = (path: string, body: object) => Promise<Response | undefined>;

/** A human who is logged in to the console, through nginx, on whichever replica. */
async function logIn(): Promise<Post> {
  const token = await makeToken('human', 'approver');
  await store.principals.setPassphrase('human', await hashPassphrase(PASSPHRASE), new Date().toISOString());
  const { origin } = new URL(place.url);
  let headers: Record<string, string> = { 'content-type': 'application/json', origin };
  const post: Post = (path, body) =>
    fetch(`${origin}/console/api/${path}`, { method: 'POST', headers, body: JSON.stringify(body) }).catch(() => undefined);
  const login = await post('login/token', { token, passphrase: PASSPHRASE });
  if (login?.status !== 200) throw new Error(`the human cannot log in: ${login?.status}`);
  const cookie = login.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  headers = { ...headers, cookie, 'x-console-token': ((await login.json()) as { token: string }).token };
  return post;
}

/** Decides about everything that waits, by turns yes and no. */
async function decide(post: Post, stopped: () => boolean, decided: Set<string>): Promise<void> {
  let turn = 0;
  while (!stopped()) {
    const { approvals } = await store.approvals.list({ status: 'pending', limit: 100 });
    for (const { id, plan } of approvals) {
      const typed = plan.target ? typedName(plan.target) : id;
      const yes = turn++ % 3 !== 0;
      const answer = yes ? await post(`approvals/${id}/approve`, { typed }) : await post(`approvals/${id}/deny`, { reason: 'not now' });
      if (answer?.ok && yes) decided.add(id);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** One call of an agent's day. */
async function work(agent: LoadAgent, random: () => number): Promise<void> {
  const dice = random();
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
  const vmid = pick([100, 101, 102, 103, 104]);
  if (dice < 0.3) await agent.call('list_vms', { limit: 20 });
  else if (dice < 0.55) await agent.call('get_vm', { vmid });
  else if (dice < 0.63) await agent.call('list_approvals', { limit: 5 });
  else if (dice < 0.68) await agent.call('get_task');
  else if (dice < 0.73) await agent.call('create_vm', { name: `dry-${vmid}`, storage: 'local-lvm', disk_gb: 1, dry_run: true });
  else if (dice < 0.83)
    await agent.call('create_vm', { name: `load-${Math.floor(random() * NAMES)}`, storage: 'local-lvm', disk_gb: 1, memory: 64 });
  else if (dice < 0.88) await agent.call('start_vm', { vmid });
  else if (dice < 0.93) await agent.call('stop_vm', { vmid, force: true, reason: 'load' });
  else if (dice < 0.95) await agent.call('delete_vm', { vmid: pick(Array.from({ length: ROOM }, (_, n) => 110 + n)) });
  else {
    const id = pick([...agent.approvals]);
    if (id === undefined) await agent.call('list_vms', { limit: 5 });
    else await agent.call(random() < 0.8 ? 'approve' : 'deny', { approval_id: id });
  }
}

it(`${AGENTS} agents, ${CALLS} calls, a dead replica, a restarted one, a restarted database`, async () => {
  const agents = await Promise.all(
    Array.from({ length: AGENTS }, async (_, n) => new LoadAgent(place.url, await makeToken(`agent-${n}`, 'operator'), n % 4 === 0)),
  );
  const decided = new Set<string>();
  let over = false;
  // Before the first replica dies: nginx sends no login twice.
  const human = decide(await logIn(), () => over, decided);
  const done = () => agents.reduce((sum, agent) => sum + agent.outcomes.length, 0);
  const began = performance.now();

  const chaos = (async () => {
    await until('a quarter is done', () => done() > CALLS * 0.25, STRETCH);
    await place.end(1, 'SIGKILL');
    await until('some calls met the dead replica', () => done() > CALLS * 0.35, STRETCH);
    await place.begin(1);
    await until('half is done', () => done() > CALLS * 0.5, STRETCH);
    await place.postgres.down();
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    await place.postgres.up();
    await until('three quarters are done', () => done() > CALLS * 0.75, STRETCH);
    await place.end(2, 'SIGTERM');
    await place.begin(2);
  })();
  const each = Math.ceil(CALLS / AGENTS);
  await Promise.all(
    agents.map(async (agent, n) => {
      const random = numbers(n + 1);
      for (let call = 0; call < each; call++) await work(agent, random);
    }),
  );
  await chaos;
  const seconds = (performance.now() - began) / 1000;
  over = true;
  await human;

  // The next caller finds out how interrupted work ended.
  const observer = new LoadAgent(place.url, await makeToken('observer', 'operator'), false);
  const open = async () => {
    await observer.call('get_task');
    return (await store.approvals.list({ status: 'executing', limit: 1 })).total;
  };
  await until('every approved plan has an outcome', async () => (await open()) === 0, STRETCH);
  await Promise.all([...agents, observer].map((agent) => agent.close()));

  const outcomes = agents.flatMap((agent) => agent.outcomes);
  tell(outcomes, seconds);
  expect(outcomes.length).toBeGreaterThanOrEqual(CALLS);

  // Calls fail only with errors that say whether it is safe to repeat.
  expect(outcomes.filter(({ ending }) => ending === 'lost, without a word')).toEqual([]);
  expect(outcomes.filter(({ code }) => code === 'internal')).toEqual([]);
  // Only a client with a session on the replica that died may hear nothing, and only for the one call that was on its way.
  for (const { older, outcomes: own } of agents) {
    const unheard = own.filter(({ ending }) => ending === 'timed out');
    // Only an answer that the dead replica had begun is cut off.
    const cut = own.filter(({ ending }) => ending === 'cut off');
    expect(cut.length, JSON.stringify(cut)).toBeLessThanOrEqual(1);
    expect(unheard.length, JSON.stringify(unheard)).toBeLessThanOrEqual(older ? 1 : 0);
  }

  // No approval lost: each approval that an agent was given exists, and each one that the human approved has an outcome.
  const told = [...new Set(agents.flatMap((agent) => [...agent.approvals]))];
  expect(told.length).toBeGreaterThan(0);
  const records = await Promise.all(told.map((id) => store.approvals.get(id)));
  expect(records.filter((record) => record === undefined)).toEqual([]);
  expect(decided.size).toBeGreaterThan(0);
  for (const id of decided) expect(['succeeded', 'failed', 'unknown', 'stale'], id).toContain((await store.approvals.get(id))?.status);

  // No destructive request sent twice: each belongs to one run, and each run to one approval.
  const requests = await place.requests();
  expect(invalidRequests(requests.filter(({ path }) => !path.startsWith('/simulator')))).toEqual([]);
  const mutations = requests.filter(({ mutating }) => mutating);
  const all = await allApprovals();
  const runs = await Promise.all(all.filter(({ runId }) => runId !== undefined).map(({ runId }) => store.runs.get(runId ?? '')));
  const planned = runs.flatMap(
    (run) => run?.plan.steps.flatMap((step) => (step.kind === 'request' ? [`${step.method} ${step.path}`] : [])) ?? [],
  );
  const sent = mutations
    .filter(({ method, path }) => method === 'DELETE' || DESTRUCTIVE.test(path))
    .map(({ method, path }) => `${method} ${path}`);
  for (const request of new Set(sent)) {
    expect(count(sent, request), request).toBeLessThanOrEqual(count(planned, request));
  }
  expect(sent.length).toBeGreaterThan(0);
  expect(new Set(runs.map((run) => run?.approvalId)).size).toBe(runs.length);

  // No quota exceeded, and no name twice.
  const guests = await place.guests();
  const created = mutations.filter(({ method, path }) => method === 'POST' && /\/qemu$/.test(path));
  expect(guests.length).toBeLessThanOrEqual(22);
  expect(created.length).toBeGreaterThan(0);
  const names = guests.map(({ name }) => name).filter((name) => name?.startsWith('load-'));
  expect(new Set(names).size).toBe(names.length);
  expect(guestsBefore + created.length - sent.filter((request) => request.startsWith('DELETE')).length).toBeLessThanOrEqual(22);

  // Every audit chain verifies.
  for (const file of place.auditFiles) {
    const { count, problems } = await verifyAudit(file);
    expect(problems, file).toEqual([]);
    expect(count).toBeGreaterThan(0);
  }
}, 3_600_000);

async function allApprovals() {
  const found: Awaited<ReturnType<Store['approvals']['list']>>['approvals'] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await store.approvals.list({ limit: 500, ...(cursor === undefined ? {} : { cursor }) });
    found.push(...page.approvals);
    if (page.nextCursor === undefined) return found;
    cursor = page.nextCursor;
  }
}

function count(list: string[], value: string): number {
  return list.filter((item) => item === value).length;
}

/** Figures for docs/benchmarks.md; written to the file that LOAD_REPORT names. */
function tell(outcomes: Outcome[], seconds: number): void {
  const lines = [
    `${outcomes.length} calls of ${AGENTS} agents in ${seconds.toFixed(1)} s (${(outcomes.length / seconds).toFixed(0)} per second)`,
  ];
  for (const tool of [...new Set(outcomes.map((outcome) => outcome.tool))].sort()) {
    const mine = outcomes.filter((outcome) => outcome.tool === tool);
    const times = mine.map(({ ms }) => ms).sort((a, b) => a - b);
    const at = (part: number) => (times[Math.floor(times.length * part)] ?? 0).toFixed(0);
    const endings = [...new Set(mine.map(({ ending, code }) => code ?? ending))].map(
      (key) => `${key} ${mine.filter((o) => (o.code ?? o.ending) === key).length}`,
    );
    lines.push(`${tool}: ${mine.length}, median ${at(0.5)} ms, p95 ${at(0.95)} ms; ${endings.join(', ')}`);
  }
  for (const text of new Set(outcomes.filter(({ ending }) => ending.startsWith('lost')).map(({ text }) => text.slice(0, 160))))
    lines.push(`lost: ${text}`);
  if (process.env.LOAD_REPORT) appendFileSync(process.env.LOAD_REPORT, `${lines.join('\n')}\n`);
}
