import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asError, type ProxmoxMcpError } from '../../src/core/errors.ts';
import { NO_POLICY } from '../../src/core/policy.ts';
import type { RunStatus } from '../../src/core/run.ts';
import type { Settings } from '../../src/core/settings.ts';
import { openAudit } from '../../src/engine/audit.ts';
import { verifyAudit } from '../../src/engine/audit-verify.ts';
import { createEngine } from '../../src/engine/engine.ts';
import type { Result } from '../../src/engine/types.ts';
import { createProxmox } from '../../src/proxmox/client.ts';
import { memoryTrustStore } from '../../src/proxmox/trust-store.ts';
import { startSimulator } from '../../src/simulator/index.ts';
import SqliteDatabase from '../../src/sqlite.ts';
import { openStore } from '../../src/store/index.ts';
import { agent } from '../engine/world.ts';
import type { Fault, Where } from './catalogue.ts';
import { askSimulator, CANARY, type Job } from './jobs.ts';
import { Disorder, type OurFault, unreliableAudit, unreliableStore } from './ours.ts';
import { fastClock, PACE, sleep } from './pace.ts';
import { openProxy, type Passing, type Seen, type Strike } from './proxy.ts';

/** One request of a job, named so that the same one is found again: `mutation POST /nodes/pve/qemu 1`. */
export interface Point {
  where: Where;
  key: string;
}

export interface Cell {
  job: Job;
  point?: Point;
  fault?: Fault;
  ours?: OurFault;
}

export type Verdict = 'success' | 'failure' | 'half-made' | 'unknown' | 'lied' | 'lost' | 'doubled' | 'hung' | 'missed';
export interface Judgement {
  verdict: Verdict;
  why: string;
}

export const nameOf = ({ job, point, fault, ours }: Cell) =>
  ours ? `${job.name} / ${ours.name}` : point && fault ? `${job.name} / ${point.where} ${point.key} / ${fault.name}` : job.name;

/** Longest wait for the first answer: the deadline of the call and what a bounded wait adds (s). */
const ANSWER_WITHIN = 45 + 75;
const WAIT_SECONDS = 45;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Carries out one job with one fault and judges what was said and recorded against what the cluster shows. */
export async function runCell(cell: Cell): Promise<Judgement & { points: Point[] }> {
  const place = await openPlace(cell);
  try {
    return { ...(await judge(cell, place)), points: place.points };
  } finally {
    await place.close();
  }
}

type Place = Awaited<ReturnType<typeof openPlace>>;

async function openPlace({ job, point, fault, ours }: Cell) {
  const folder = mkdtempSync(join(tmpdir(), 'faults-'));
  const simulator = await startSimulator({ file: join(folder, 'simulator.db'), now: fastClock.now, timeScale: 0.3 });
  const points: Point[] = [];
  const disorder = new Disorder();
  let armed = true;
  let struck = 0;
  const name = namer();
  const strike: Strike = async (passing) => {
    const here = name(passing);
    if (armed) points.push(here);
    if (armed && ours && here.where === ours.from) {
      struck += 1;
      disorder.begin(ours);
    }
    const hit =
      armed &&
      fault &&
      point &&
      (fault.stays ? here.where === point.where && sameTask(here, point) : here.key === point.key && here.where === point.where);
    if (!hit) return passing.answer(await passing.forward());
    struck += 1;
    return fault.strike(passing);
  };
  const proxy = await openProxy(simulator.port, () => strike);
  const dataDir = mkdtempSync(join(tmpdir(), 'faults-data-'));
  const settings = {
    connection: {
      endpoints: [{ host: '127.0.0.1', port: proxy.port }],
      tokenId: simulator.token.id,
      tokenSecret: simulator.token.secret,
      verifySsl: false,
      fingerprints: [simulator.fingerprint],
    },
    defaults: { node: 'pve', nodeIsExplicit: false, storage: 'local-lvm' },
    limits: { maxCpu: 16, maxRamMib: 32_768, maxDiskGib: 500, maxVms: 50, scope: { kind: 'visible' } },
    approval: { mode: 'relay', ttlSeconds: 3600, maxPendingPerPrincipal: 10 },
    policy: NO_POLICY,
    waitSeconds: WAIT_SECONDS,
    readOnly: false,
    dataDir,
    auditFile: join(dataDir, 'audit.jsonl'),
    logLevel: 'silent',
    demo: false,
  } as unknown as Settings;
  const store = await openStore({ dataDir });
  const engine = createEngine({
    settings,
    clock: fastClock,
    connect: async () =>
      createProxmox({
        connection: settings.connection,
        cluster: 'faults',
        trust: memoryTrustStore(),
        clock: fastClock,
        log: silent,
        timeoutMs: 60_000 / PACE,
      }),
    openStore: async () => unreliableStore(store, disorder),
    audit: unreliableAudit(openAudit({ file: settings.auditFile, clock: fastClock }), disorder),
    log: silent,
  });
  const ask = askSimulator(simulator);
  const rows = new SqliteDatabase(join(dataDir, 'store.sqlite'), { readonly: true });
  return {
    dataDir,
    store,
    engine,
    points,
    seen: proxy.seen,
    auditFile: settings.auditFile,
    struck: () => struck,
    disarm: () => (armed = false),
    disordered: () => disorder.is('store') || disorder.is('audit'),
    state: () => job.state(ask),
    /** The runs of the job, the newest first, as they are on disk. */
    runs: () =>
      rows.prepare('select id, status from runs where operation = ? order by started_at desc').all(job.operation) as {
        id: string;
        status: RunStatus;
      }[],
    call: (operation: string, args: object): Promise<Answer> =>
      engine.perform(operation, args, agent, { wait: WAIT_SECONDS }).then(
        (result): Answer => ({ result }),
        (thrown): Answer => ({ error: asError(thrown) }),
      ),
    async close() {
      await engine.close().catch(() => {});
      rows.close();
      await store.close().catch(() => {});
      await proxy.close();
      await simulator.close();
      for (const path of [folder, dataDir]) rmSync(path, { recursive: true, force: true });
    },
  };
}

interface Answer {
  result?: Result;
  error?: ProxmoxMcpError;
}

/** The call, with its approval where it needs one. */
async function ask(cell: Cell, place: Place): Promise<Answer> {
  const first = await place.call(cell.job.operation, cell.job.args);
  if (first.result?.kind !== 'approval_required') return first;
  return place.call('approve', { approval_id: first.result.approval.id });
}

async function judge(cell: Cell, place: Place): Promise<Judgement> {
  const { fault } = cell;
  const answer = await Promise.race([ask(cell, place), sleep(ANSWER_WITHIN).then(() => undefined)]);
  if (!answer) return { verdict: 'hung', why: `no answer after ${ANSWER_WITHIN} s` };
  const atAnswer = await place.state();
  const said = describe(answer);
  if (cell.fault && place.struck() === 0) return { verdict: 'missed', why: said };
  if (answer.result?.kind === 'done' && atAnswer !== 'goal') return { verdict: 'lied', why: `${said}, but the cluster shows ${atAnswer}` };
  await settled(cell, place);
  place.disarm();
  const final = await place.state();
  const run = place.runs().at(0);
  const facts = `${said}; run ${run?.status ?? 'none'}; cluster ${atAnswer} → ${final}`;
  const bad = (verdict: Verdict, why: string): Judgement => ({ verdict, why: `${why} (${facts})` });

  const twice = doubled(place.seen);
  if (twice) return bad('doubled', `${twice} was executed twice`);
  const trail = await verifyAudit(place.auditFile);
  if (trail.problems.length > 0) return bad('lost', 'the audit does not verify');
  const leaked = secretIn(place.dataDir);
  if (leaked) return bad('lied', `the password is in ${leaked}`);
  if (run?.status === 'executing') return bad('hung', 'the run never ends');
  if (run?.status === 'succeeded' && final !== 'goal') return bad('lied', 'the run says succeeded');
  if (run?.status === 'failed' && final === 'goal') return bad('lied', 'the run says failed');
  const open = fault?.late === 0 && cell.point?.where === 'mutation';
  if (run?.status === 'failed' && open) return bad('lied', 'the run says failed although the request may still be executed');
  if (run && run.status !== 'unknown' && !hasOutcome(place.auditFile, run.id)) return bad('lost', 'the audit has no outcome of the run');
  if (!run && final !== 'before') return bad('lost', 'there is no run');

  if (run?.status === 'unknown') {
    const justified = fault?.blind || open;
    return justified ? { verdict: 'unknown', why: facts } : bad('lied', 'the run stays unknown although the state shows the outcome');
  }
  if (answer.result?.kind === 'done') return { verdict: 'success', why: facts };
  if (final === 'goal') {
    const leftOpen = answer.result?.kind === 'running' || answer.error?.code === 'outcome_unknown';
    return leftOpen ? { verdict: 'success', why: facts } : bad('lied', 'the answer says failed');
  }
  const again = await ask(cell, place);
  await settled(cell, place);
  const end = await place.state();
  const twiceAgain = doubled(place.seen);
  if (twiceAgain) return bad('doubled', `the call again: ${twiceAgain} was executed twice`);
  if (end !== 'goal') return bad('lied', `the call again: ${describe(again)}, the cluster shows ${end}`);
  if (final === 'partly') return { verdict: 'half-made', why: facts };
  return { verdict: 'failure', why: facts };
}

/** Waits until nothing is executing and nothing unknown can still change. */
async function settled({ fault, ours }: Cell, place: Place): Promise<void> {
  const began = fastClock.now();
  const seconds = (fault?.late ?? 0) + (ours?.seconds ?? 0) + 150;
  const atLeast = Math.max(fault?.late ?? 0, fault?.outage ?? 0) + 1;
  for (;;) {
    const passed = (fastClock.now() - began) / 1000;
    const open = place.disordered() || place.runs().some((r) => r.status === 'executing' || r.status === 'unknown');
    if ((!open && passed >= atLeast) || passed > seconds) return;
    await sleep(1);
  }
}

/** A change that Proxmox accepted twice: the same method, path and parameters. */
function doubled(seen: readonly Seen[]): string | undefined {
  const accepted = seen
    .filter(({ status }) => status === 200)
    .map(({ method, path, params }) => `${method} ${path} ${params.replace(/digest=[^&]*/, '')}`);
  return accepted.find((one, index) => accepted.indexOf(one) !== index)?.slice(0, 120);
}

function hasOutcome(file: string, runId: string): boolean {
  return readFileSync(file, 'utf8')
    .split('\n')
    .some((line) => line.includes(runId) && /"kind":"(outcome|reconciled)"/.test(line));
}

function secretIn(folder: string): string | undefined {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .find((file) => readFileSync(file).includes(CANARY));
}

function describe({ result, error }: Answer): string {
  return error ? `${error.code}: ${error.message.slice(0, 200)}` : (result?.kind ?? 'nothing');
}

/** Names requests by where they stand in the call: polls and logs by the change whose task they follow. */
function namer(): (passing: Passing) => Point {
  const times = new Map<string, number>();
  let mutations = 0;
  let last = '';
  return ({ method, path }) => {
    let where: Where;
    let key: string;
    if (method !== 'GET') {
      where = 'mutation';
      mutations += 1;
      last = `${method} ${path}`;
      key = last;
    } else if (/\/tasks\/[^/]+\/status$/.test(path)) {
      where = 'poll';
      key = `of ${last}`;
    } else if (/\/tasks\/[^/]+\/log$/.test(path)) {
      where = 'task-log';
      key = `of ${last}`;
    } else {
      where = mutations === 0 ? 'plan-read' : 'late-read';
      key = path.replace(/UPID:[^/]+/, 'UPID');
    }
    const count = (times.get(where + key) ?? 0) + 1;
    times.set(where + key, count);
    return { where, key: `${key} ${count}` };
  };
}

/** A fault that stays strikes every poll of the same task. */
function sameTask(a: Point, b: Point): boolean {
  return a.key.replace(/ \d+$/, '') === b.key.replace(/ \d+$/, '');
}
