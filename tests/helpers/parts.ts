import type { Audit } from '../../src/audit/writer.ts';
import type { Clock } from '../../src/core/clock.ts';
import { ProxmoxMcpError } from '../../src/core/errors/errors.ts';
import type { Caller } from '../../src/core/people/caller.ts';
import type { Plan, RequestStep } from '../../src/core/plan/plan.ts';
import type { RunRecord } from '../../src/core/plan/run.ts';
import type { ProxmoxApi } from '../../src/core/proxmox.ts';
import { NO_POLICY } from '../../src/core/settings/policy.ts';
import type { Settings } from '../../src/core/settings/settings.ts';
import { TOOLSETS } from '../../src/core/settings/toolset.ts';
import type { JsonObject } from '../../src/core/text/json.ts';
import { clusterOf } from '../../src/engine/clusters/cluster.ts';
import { createVault } from '../../src/engine/input/secrets.ts';
import type { Ports } from '../../src/engine/ports.ts';
import { Watch } from '../../src/engine/runs/outcome/watch.ts';
import { InFlight } from '../../src/engine/runs/steps/in-flight.ts';
import type { Store } from '../../src/store/index.ts';

// The parts of an engine for tests of one file of it: time that stands still unless it is slept, a Proxmox that answers what the test says.
// Whole calls are tested on the embedded cluster, see world.ts.

export const START = Date.parse('2026-01-01T12:00:00.000Z');
export const iso = (secondsAfterStart: number) => new Date(START + secondsAfterStart * 1000).toISOString();

interface StillClock extends Clock {
  /** Seconds since START. */
  at: number;
  /** Seconds by which the machine's clock was set forward. */
  set: number;
}
export function stillClock(): StillClock {
  return {
    at: 0,
    set: 0,
    now() {
      return START + (this.at + this.set) * 1000;
    },
    elapsed() {
      return this.at * 1000;
    },
    async sleep(ms) {
      this.at += ms / 1000;
    },
  };
}

/** By path, with `?name=value` for the first parameter where it matters; a function is called, an error thrown. */
export type Answers = Record<string, unknown>;

export interface Parts extends Ports {
  settings: Settings;
  clock: StillClock;
  answers: Answers;
  /** GET requests, as the keys of `answers`. */
  asked: string[];
  proxmox: ProxmoxApi;
  told: JsonObject[];
  /** Log lines: level and message. */
  lines: string[];
}

const unexpected = (what: string) => () => {
  throw new Error(`${what} was not expected`);
};

/** @param store a real one, or the few methods that the file needs */
export function parts(store: object = {}, settings: Partial<Settings> = {}): Parts {
  const clock = stillClock();
  const told: JsonObject[] = [];
  const lines: string[] = [];
  const asked: string[] = [];
  const answers: Answers = {};
  const log = (level: string) => (_fields: object, message: string) => void lines.push(`${level}: ${message}`);
  const proxmox: ProxmoxApi = {
    cluster: 'c',
    version: async () => ({ version: '9.2', major: 9, minor: 2 }),
    async get<T>(path: string, params: Record<string, string | number> = {}) {
      const [first] = Object.entries(params);
      const full = first ? `${path}?${first.join('=')}` : path;
      asked.push(full);
      const answer = full in answers ? answers[full] : answers[path];
      if (answer === undefined) throw new ProxmoxMcpError('guest_not_found', `Nothing at ${full}.`);
      if (answer instanceof Error) throw answer;
      return (typeof answer === 'function' ? await answer() : answer) as T;
    },
    send: unexpected('a mutating request'),
    task: unexpected('task'),
    taskLog: async () => [],
    waitTask: unexpected('waitTask'),
    findTask: async () => undefined,
    holds: async () => undefined,
    serverTime: () => clock.now() / 1000,
    close: async () => {},
  };
  const all = {
    connection: { tokenId: 'mcp@pve!agent' },
    defaults: { node: 'pve', nodeIsExplicit: false },
    limits: { maxCpu: 16, maxRamMib: 32_768, maxDiskGib: 500, maxVms: 50, scope: { kind: 'visible' } },
    approval: { mode: 'relay', ttlSeconds: 900, maxPendingPerPrincipal: 3 },
    policy: NO_POLICY,
    waitSeconds: 45,
    readOnly: false,
    toolsets: TOOLSETS,
    dataDir: '/nowhere',
    ...settings,
  } as Settings;
  const ports: Parts = {
    settings: all,
    get cluster() {
      return clusterOf(ports.proxmox, ports.settings);
    },
    clock,
    told,
    lines,
    asked,
    answers,
    proxmox,
    store: async () => store as Store,
    audit: {
      async append(record: JsonObject, { durable }: { durable: boolean }) {
        if (!durable) throw new Error('what decides or changes is on disk before anything goes on');
        told.push(record);
      },
    } as unknown as Audit,
    vault: createVault('/nowhere'),
    log: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
    worker: 'me',
    inFlight: new InFlight(),
    watch: new Watch(),
  };
  return ports;
}

export const guest = (vmid: number, over: object = {}) => ({
  type: 'qemu' as const,
  vmid,
  key: `key-${vmid}`,
  name: `web${vmid}`,
  node: 'pve',
  protection: false,
  disks: [],
  ...over,
});

export const planOf = (over: Partial<Plan> = {}): Plan => ({
  operation: 'stop_vm',
  summary: 'stop web105 (105)',
  effect: 'disrupt',
  target: guest(105),
  steps: [],
  expected: [],
  choices: [],
  warnings: [],
  undo: 'start it',
  ...over,
});

export const requestStep = (id: string, over: Partial<RequestStep> = {}): RequestStep => ({
  kind: 'request',
  id,
  method: 'POST',
  path: `/nodes/pve/qemu/105/status/${id}`,
  params: {},
  purpose: `${id} web105`,
  ...over,
});

export const runOf = (over: Partial<RunRecord> = {}): RunRecord => ({
  id: 'run_1',
  operation: 'stop_vm',
  args: { vmid: 105 },
  cluster: 'c',
  principal: 'local:agent',
  plan: planOf(),
  digest: 'd',
  status: 'executing',
  steps: [],
  startedAt: iso(0),
  ...over,
});

export const asker = (over: Partial<Caller> = {}): Caller => ({
  principal: 'local:agent',
  owner: 'local:agent',
  channel: 'stdio',
  canAsk: { elicitation: false, terminal: false },
  isOperator: false,
  ...over,
});
