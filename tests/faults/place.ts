import { existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAudit } from '../../src/audit/writer.ts';
import { asError, type ProxmoxMcpError } from '../../src/core/errors/errors.ts';
import type { RunStatus } from '../../src/core/plan/run.ts';
import type { Result } from '../../src/core/result.ts';
import { NO_POLICY } from '../../src/core/settings/policy.ts';
import type { Settings } from '../../src/core/settings/settings.ts';
import { TOOLSETS } from '../../src/core/settings/toolset.ts';
import { createEngine } from '../../src/engine/engine.ts';
import { createProxmox } from '../../src/proxmox/client.ts';
import { openNamed } from '../../src/proxmox/named-cluster.ts';
import { memoryTrustStore } from '../../src/proxmox/trust/store.ts';
import { type Simulator, startSimulator } from '../../src/simulator/index.ts';
import SqliteDatabase from '../../src/sqlite.ts';
import { openStore } from '../../src/store/index.ts';
import { agent } from '../helpers/world.ts';
import { beside } from './beside.ts';
import type { Cell, Strike } from './cell.ts';
import { askSimulator } from './jobs.ts';
import { Disorder, unreliableAudit, unreliableStore } from './ours.ts';
import { fastClock } from './pace.ts';
import { namer, type Point, pathOf } from './points.ts';
import { openProxy, type Upstream } from './proxy.ts';

/** Thousands of small databases are written: in memory where it has the room, since no cell is about a power cut. */
const MEMORY = '/dev/shm';
const ROOM = existsSync(MEMORY) && statfsSync(MEMORY).bavail * statfsSync(MEMORY).bsize > 2 ** 30 ? MEMORY : tmpdir();

/** Seconds that a call waits for the outcome. */
export const WAIT_SECONDS = 45;
/**
 * Real milliseconds until the product gives up on an answer, where one never comes and elsewhere. The timer of a connection knows real time only,
 * and a busy machine must not look like a silent Proxmox.
 */
export const SILENCE_MS = 8_000;
const PATIENCE_MS = 120_000;
/** The names in the clusters file. */
const CLUSTER = 'faults';
const BESIDE = 'beside';
const RECORDS = ['approvals', 'runs', 'reservations'];
const silent = { debug() {}, info() {}, warn() {}, error() {} };

export interface Answer {
  result?: Result;
  error?: ProxmoxMcpError;
}

export type Place = Awaited<ReturnType<typeof openPlace>>;

/** A cluster of its own, the product with a store of its own, and between them a proxy that strikes. */
export async function openPlace(cell: Cell) {
  const { job, strikes, ours, cancelled } = cell;
  const folder = mkdtempSync(join(ROOM, 'faults-'));
  const dataDir = join(folder, 'data');
  const simulator = await startSimulator({ file: join(folder, 'simulator.db'), now: fastClock.now, timeScale: 0.3 });
  const disorder = new Disorder();
  const client = new AbortController();
  const points: Point[] = [];
  const struck = new Set<Strike | Point | typeof ours>();
  const stale = new Map<Strike, Upstream>();
  let armed = false;
  let isRedeemed = false;
  const name = namer(() => isRedeemed);

  const proxy = await openProxy(simulator.port, () => async (passing) => {
    if (!armed) return passing.answer(await passing.forward());
    const here = name(passing);
    points.push(here);
    if (here.where === 'mutation') await rememberState();
    if (ours && here.where === ours.from) {
      struck.add(ours);
      disorder.begin(ours);
    }
    if (cancelled && isSame(here, cancelled)) {
      struck.add(cancelled);
      client.abort(new Error('the client cancelled the call'));
    }
    const hit = strikes.find(({ point, fault }) =>
      fault.stays ? here.where === point.where && pathOf(here) === pathOf(point) : isSame(here, point),
    );
    if (!hit) return passing.answer(await passing.forward());
    struck.add(hit);
    const before = stale.get(hit);
    await hit.fault.strike(before ? { ...passing, stale: before } : passing);
  });

  /** What the struck reads would answer before the change that is passing now. */
  async function rememberState() {
    for (const strike of strikes.filter(({ fault }) => fault.name === 'stale')) {
      stale.set(strike, await proxy.peek(pathOf(strike.point), { authorization }));
    }
  }

  const other = cell.beside ? (await beside.get()).simulator : undefined;
  const authorization = `PVEAPIToken=${simulator.token.id}=${simulator.token.secret}`;
  const own = {
    connection: connectionTo(simulator, proxy.port),
    defaults: { node: 'pve', nodeIsExplicit: false, storage: 'local-lvm' },
    limits: { maxCpu: 16, maxRamMib: 32_768, maxDiskGib: 500, maxVms: 50, scope: { kind: 'visible' } },
    policy: NO_POLICY,
  };
  const settings = {
    ...own,
    ...(other
      ? {
          clusters: [
            { name: BESIDE, ...own, connection: connectionTo(other) },
            { name: CLUSTER, ...own },
          ],
        }
      : {}),
    approval: { mode: 'relay', ttlSeconds: 3600, maxPendingPerPrincipal: 10 },
    waitSeconds: WAIT_SECONDS,
    readOnly: false,
    toolsets: TOOLSETS,
    dataDir,
    auditFile: join(dataDir, 'audit.jsonl'),
    logLevel: 'silent',
    demo: false,
  } as unknown as Settings;
  const open = (connection: Settings['connection'], cluster: string, trust = memoryTrustStore()) => {
    const timeoutMs = strikes.some(({ fault }) => fault.silence) ? SILENCE_MS : PATIENCE_MS;
    return createProxmox({ connection, cluster, trust, clock: fastClock, log: silent, timeoutMs });
  };
  const store = await openStore({ dataDir });
  const engine = createEngine({
    settings,
    clock: fastClock,
    connect: async (name) =>
      other && name
        ? openNamed(name, memoryTrustStore(), (trust) => open(name === BESIDE ? connectionTo(other) : own.connection, name, trust))
        : open(own.connection, CLUSTER),
    openStore: async () => unreliableStore(store, disorder),
    audit: unreliableAudit(openAudit({ file: settings.auditFile, clock: fastClock }), disorder),
    log: silent,
  });
  const ask = askSimulator(simulator);
  const rows = new SqliteDatabase(join(dataDir, 'store.sqlite'), { readonly: true });
  // Both are known before anything is struck, so work on its own goes on for both.
  if (other) await engine.perform('list_approvals', {}, agent);
  const named = other ? { cluster: CLUSTER } : {};
  const call = (operation: string, args: object, signal?: AbortSignal): Promise<Answer> =>
    engine
      .perform(operation, operation === 'approve' ? args : { ...named, ...args }, agent, {
        wait: WAIT_SECONDS,
        ...(signal ? { signal } : {}),
      })
      .then(
        (result): Answer => ({ result }),
        (thrown): Answer => ({ error: asError(thrown) }),
      );
  return {
    dataDir,
    points,
    seen: proxy.seen,
    auditFile: settings.auditFile,
    isStruck: () => struck.size > 0,
    arm: () => (armed = true),
    disarm: () => (armed = false),
    disordered: () => disorder.is('store') || disorder.is('audit'),
    state: () => job.state(ask),
    /** The runs of the job, the newest first, as they are on disk. */
    runs: () =>
      rows.prepare('select id, status from runs where operation = ? order by started_at desc').all(job.operation) as {
        id: string;
        status: RunStatus;
      }[],
    /** Tables with a record of the cluster beside, which no call names. */
    strays: () => RECORDS.filter((table) => rows.prepare(`select 1 from ${table} where cluster like '${BESIDE}@%'`).get() !== undefined),
    call,
    /** The job's call, with its approval where it needs one. */
    async ask(signal?: AbortSignal): Promise<Answer> {
      isRedeemed = false;
      const first = await call(job.operation, job.args, signal);
      if (first.result?.kind !== 'approval_required') return first;
      isRedeemed = true;
      return call('approve', { approval_id: first.result.approval.id }, signal);
    },
    client: client.signal,
    async close() {
      client.abort();
      await engine.close().catch(() => {});
      rows.close();
      await store.close().catch(() => {});
      await proxy.close();
      await simulator.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const isSame = (a: Point, b: Point) => a.where === b.where && a.key === b.key;

function connectionTo({ port, token, fingerprint }: Simulator, through = port): Settings['connection'] {
  const endpoints = [{ host: '127.0.0.1', port: through }];
  return { endpoints, tokenId: token.id, tokenSecret: token.secret, verifySsl: false, fingerprints: [fingerprint] };
}
