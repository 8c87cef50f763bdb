import { sleep } from './pace.ts';
import type { Passing, Upstream } from './proxy.ts';

/** Where in a call a request stands. */
export type Where = 'plan-read' | 'redeem-read' | 'mutation' | 'poll' | 'task-log' | 'late-read';

export interface Fault {
  name: string;
  at: Where[];
  /** Deals with the request that is struck. */
  strike(passing: Passing): Promise<void>;
  /** Strikes every later request of the same kind too, not the first alone. */
  stays?: boolean;
  /** The request is, or may be, executed so many seconds after it was sent (0: never). An unknown outcome is right until then. */
  late?: number;
  /** Nothing can be asked for so many seconds. */
  outage?: number;
  /** The answer never comes: it is waited for until the product gives up. */
  silence?: boolean;
  /** Tasks cannot be distinguished for good. */
  hidesTasks?: boolean;
  /** The simulator never sees the request. */
  instead?: boolean;
  /** Strikes these requests only. */
  fits?: RegExp;
}

const text = (status: number, reason: string, body = ''): Upstream => ({ status, reason, headers: {}, body });
const json = (data: unknown, status = 200, reason = 'OK'): Upstream => ({
  status,
  reason,
  headers: { 'content-type': 'application/json;charset=UTF-8' },
  body: JSON.stringify(data),
});
const message = (reason: string) => json({ data: null, message: `${reason}\n` }, 500, reason);
const READS: Where[] = ['plan-read', 'redeem-read', 'poll', 'task-log', 'late-read'];
const LISTS: Where[] = ['plan-read', 'redeem-read', 'late-read'];
const ALL: Where[] = [...READS, 'mutation'];

/** Answered without the simulator having seen the request. */
const instead = (name: string, reply: Upstream, at = ALL): Fault => ({ name, at, instead: true, strike: async (p) => p.answer(reply) });
/** Carried out, but answered otherwise. To a read it makes no difference whether it was passed on. */
const after = (name: string, reply: (genuine: Upstream) => Upstream, at = ALL): Fault => ({
  name,
  at,
  strike: async (p) => p.answer(reply(await p.forward())),
});
/** Given up by the server after 30 s, as pveproxy does, and executed later or never. */
const late = (seconds: number): Fault => ({
  name: seconds === 0 ? 'given-up-and-lost' : `given-up-executed-after-${seconds}s`,
  at: ['mutation'],
  late: seconds,
  async strike(p) {
    await sleep(30);
    p.answer(text(596, 'Connection timed out'));
    if (seconds === 0) return;
    await sleep(seconds - 30);
    await p.forward();
  },
});
const mangle = (data: (genuine: unknown) => unknown) => (genuine: Upstream) => {
  try {
    return { ...genuine, body: JSON.stringify({ ...JSON.parse(genuine.body), data: data(JSON.parse(genuine.body).data) }) };
  } catch {
    return genuine;
  }
};

const REDIRECT: Upstream = { ...text(302, 'Found'), headers: { location: 'https://login.example.org/' } };
const half = (data: unknown) => (Array.isArray(data) ? data.slice(0, data.length >> 1) : data);
const halfOfFacts = (data: unknown) => {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return data;
  const facts = Object.entries(data);
  return Object.fromEntries(facts.slice(0, facts.length >> 1));
};

export const FAULTS: Fault[] = [
  instead('401', text(401, 'no such user')),
  instead('403', json({ data: null, message: 'Permission check failed\n' }, 403, 'Permission check failed')),
  instead('429', text(429, 'Too Many Requests')),
  instead('302', REDIRECT, READS),
  // Proxmox redirects no change: what the proxy that did so made of it, the product cannot know.
  { ...instead('302', REDIRECT, ['mutation']), late: 0 },
  instead('595', text(595, 'No route to host')),
  instead('locked', message('VM is locked (backup)')),
  instead('lock-timeout', message("can't lock file '/var/lock/qemu-server/lock-105.conf' - got timeout")),
  instead('no-config', message('unable to find configuration file for VM 105 on node pve')),
  after('500-html', () => text(500, 'Internal Server Error', '<html>500</html>')),
  after('502-passed-on', () => text(502, 'Bad Gateway', '<html>502</html>')),
  after('504-passed-on', () => text(504, 'Gateway Timeout', '<html>504</html>'), ['mutation']),
  after('596-passed-on', () => text(596, 'Broken pipe')),
  after('599-passed-on', () => text(599, 'Too many redirections'), ['mutation']),
  after('empty', () => text(200, 'OK')),
  after('garbage', () => text(200, 'OK', '\u0000\u0001 not json at all')),
  after('null', () => json({ data: null })),
  after('empty-list', () => json({ data: [] })),
  after('text-for-data', () => json({ data: 'surprise' })),
  after('cut-json', (genuine) => ({ ...genuine, body: genuine.body.slice(0, genuine.body.length >> 1) })),
  after('half-of-the-rows', mangle(half), LISTS),
  after('half-of-the-facts', mangle(halfOfFacts), READS),
  after(
    'still-running',
    mangle((data) => ({ ...(data as object), status: 'running', exitstatus: undefined })),
    ['poll'],
  ),
  { name: 'stale', at: ['late-read'], strike: async (p) => p.answer(p.stale ?? (await p.forward())) },
  after(
    'rows-without-facts',
    mangle((data) => (Array.isArray(data) ? data.map(({ vmid, type, node, id }) => ({ vmid, type, node, id, status: 'unknown' })) : data)),
    LISTS,
  ),
  { name: 'reset-before', at: ALL, late: 0, instead: true, strike: async (p) => p.cut() },
  { name: 'reset-after', at: ['mutation'], strike: async (p) => void (await p.forward().then(() => p.cut())) },
  { name: 'truncated', at: ALL, strike: async (p) => p.cut(await p.forward()) },
  { name: 'slow-answer-20s', at: ALL, strike: async (p) => void (await p.forward().then((r) => sleep(20).then(() => p.answer(r)))) },
  {
    name: 'slow-answer-45s',
    at: ['mutation'],
    strike: async (p) => void (await p.forward().then((r) => sleep(45).then(() => p.answer(r)))),
  },
  {
    name: 'outage-8s',
    at: ALL,
    late: 0,
    instead: true,
    outage: 8,
    strike: async (p) => p.goAway(8),
  },
  {
    name: 'outage-8s-after',
    at: ['mutation', 'poll'],
    outage: 8,
    strike: async (p) => void (await p.forward().then(() => p.goAway(8))),
  },
  { name: 'no-answer-at-all', at: ALL, late: 0, instead: true, silence: true, strike: async () => {} },
  { name: 'no-answer-after', at: ['mutation'], silence: true, strike: async (p) => void (await p.forward()) },
  {
    // With the same token, type of task and guest, at the same moment: its task is not ours.
    name: 'lost-while-another-client-changes-it',
    at: ['mutation'],
    fits: /POST \/nodes\/pve2?\/qemu\/10[15]\/config/,
    instead: true,
    async strike(p) {
      await p.forward(p.body.replace(/memory=\d+/, 'memory=960').replace(/cores=\d+/, 'cores=3'));
      p.cut();
    },
  },
  late(45),
  late(90),
  late(300),
  late(0),
  {
    name: 'connection-closed-executed-20s-later',
    at: ['mutation'],
    late: 20,
    async strike(p) {
      p.cut();
      await sleep(20);
      await p.forward();
    },
  },
  instead('task-gone-400', json({ data: null, errors: { upid: 'no such task' } }, 400, 'Parameter verification failed.'), ['poll']),
  ...['task-gone-for-good', 'killed-done'].map(
    (name): Fault => ({
      name,
      at: ['poll'],
      stays: true,
      async strike(p) {
        if (name === 'task-gone-for-good')
          return p.answer(json({ data: null, errors: { upid: 'no such task' } }, 400, 'Parameter verification failed.'));
        const killed = mangle((data) => {
          const task = data as { status?: string };
          return task?.status === 'stopped' ? { ...task, exitstatus: 'unexpected status' } : data;
        });
        p.answer(killed(await p.forward()));
      },
    }),
  ),
  {
    name: 'warnings',
    at: ['poll'],
    stays: true,
    strike: async (p) =>
      p.answer(
        mangle((data) => ((data as { status?: string })?.status === 'stopped' ? { ...(data as object), exitstatus: 'WARNINGS: 2' } : data))(
          await p.forward(),
        ),
      ),
  },
];
