import { within } from '../core/clock.ts';
import { defined } from '../core/defined.ts';
import { fail } from '../core/errors/errors.ts';
import type { Caller } from '../core/people/caller.ts';
import { PER_GUEST, plain, type Quotas } from '../core/settings/limits.ts';
import type { LimitSettings, Settings } from '../core/settings/settings.ts';
import { plainText } from '../core/text/text.ts';
import type { Engine } from '../engine/types.ts';
import type { GuestView as Listed } from '../operations/vm/show/guest-columns.ts';
import { backupsView } from './guest.ts';
import { problemOf, type Reader, readersOf } from './read.ts';
import type { BackupsView, ClusterAnswer, ClusterView, GuestView, Quota } from './wire.ts';

const PAGE = 500;
/** More guests than a human reads on a page. */
const MAX_GUESTS = 5000;

/** How long (ms) the page waits for each of several clusters. */
const ANSWERS_WITHIN_MS = 10_000;

/** Reads each cluster by itself, so that one that does not answer hides and delays no other. */
export function clusterAnswers(
  engine: Engine,
  caller: Caller,
  { limits, clusters = [] }: Pick<Settings, 'limits' | 'clusters'>,
): Promise<ClusterAnswer[]> {
  return Promise.all(
    readersOf(engine, caller).map(async (reader) => {
      const { cluster: name } = reader;
      // A file may name one cluster, which callers then need not name.
      const own = (clusters.find((one) => one.name === name) ?? clusters[0])?.limits ?? limits;
      const view = clusterView(engine, reader, own);
      return (name === '' ? view : soon(view)).then(
        (view) => ({ name, view }),
        (thrown) => ({ name, problem: problemOf(thrown) }),
      );
    }),
  );
}

/** The same for the newest backup of each guest. */
export function backupsAnswers(engine: Engine, caller: Caller): Promise<BackupsView[]> {
  return Promise.all(
    readersOf(engine, caller).map(async (reader) => {
      const view = backupsView(reader);
      return (reader.cluster === '' ? view : soon(view)).catch((thrown) => ({
        cluster: reader.cluster,
        guests: [],
        notice: problemOf(thrown).message,
      }));
    }),
  );
}

async function soon<T>(work: Promise<T>): Promise<T> {
  return (await within(work, ANSWERS_WITHIN_MS)) ?? fail('unreachable', `No answer within ${ANSWERS_WITHIN_MS / 1000} s.`);
}

/** Guests by node, and what is used of the limits. */
export async function clusterView(engine: Pick<Engine, 'quotas'>, reader: Reader, limits: LimitSettings): Promise<ClusterView> {
  const { cluster } = reader;
  const bars = engine.quotas(...(cluster === '' ? [] : [cluster])).then(quotaBars, () => []);
  const { guests, total, notice } = await allGuests(reader);
  const nodes = [...new Set(guests.map((guest) => guest.node))].sort();
  return {
    nodes: nodes.map((name) => ({
      name: plainText(name, 80),
      guests: guests.filter((guest) => guest.node === name).map(guestView),
    })),
    total,
    shown: guests.length,
    ...(notice === undefined ? {} : { notice: plainText(notice, 1000) }),
    ...((await bars).length > 0 ? { quotas: await bars } : {}),
    perGuest: PER_GUEST.map(({ size, limit, variable }) => ({ ...LABELS[size], limit: limits[limit], variable })),
    scope: scopeOf(limits),
  };
}

/** The output of `list_vms`. */
interface GuestList {
  vms: Listed[];
  total: number;
  next_cursor?: string;
  notice?: string;
}

async function allGuests({ read }: Reader): Promise<{ guests: Listed[]; total: number; notice?: string }> {
  const guests: Listed[] = [];
  let cursor: string | undefined;
  for (;;) {
    const page = (await read('list_vms', { limit: PAGE, ...defined({ cursor }) })) as unknown as GuestList;
    const { total, notice } = page;
    guests.push(...page.vms);
    cursor = page.next_cursor;
    if (cursor === undefined || guests.length >= MAX_GUESTS) return { guests, total, ...defined({ notice }) };
  }
}

function guestView(g: Listed): GuestView {
  return {
    vmid: g.vmid,
    name: plainText(g.name, 80),
    type: g.type === 'vm' ? 'VM' : 'container',
    status: plainText(g.status, 20),
    ...defined({ cpus: g.cpus, cpuPercent: g.cpu_percent, memoryMib: g.memory_mb, memoryUsedMib: g.memory_used_mb }),
    tags: (g.tags ?? []).map((tag) => plainText(tag, 40)),
    ...(g.pool === undefined ? {} : { pool: plainText(g.pool, 60) }),
    ...(g.lock === undefined ? {} : { lock: plainText(g.lock, 40) }),
    ...(g.ha === undefined ? {} : { ha: plainText(g.ha, 40) }),
    template: g.template === true,
  };
}

const LABELS = {
  guests: { label: 'Guests', unit: '' },
  cpu: { label: 'vCPUs', unit: '' },
  memoryMib: { label: 'Memory', unit: 'MiB' },
  diskGib: { label: 'Disk', unit: 'GiB' },
} as const;

/** Leaves out what cannot be counted, because "none used" would be wrong. */
function quotaBars({ quotas }: Quotas): Quota[] {
  return quotas.flatMap(({ size, used, reserved = 0, limit, variable }): Quota[] =>
    used === undefined ? [] : [{ ...LABELS[size], used: plain(used + reserved), ...defined({ limit }), variable }],
  );
}

function scopeOf({ scope }: LimitSettings): string {
  if (scope.kind === 'pool') return `guests of the pool ${plainText(scope.pool, 60)}`;
  if (scope.kind === 'tag') return `guests with the tag ${plainText(scope.tag, 60)}`;
  return scope.kind === 'created' ? 'guests created through this server' : 'all guests that the API token sees';
}
