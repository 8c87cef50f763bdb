import { defined } from '../../../core/defined.ts';
import { fail, ifAllowed } from '../../../core/errors/errors.ts';
import { type GuestType, labelOf } from '../../../core/guest.ts';
import { nothingToSend, type PlanDraft } from '../../../core/plan/plan.ts';
import type { RunRecord } from '../../../core/plan/run.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { plainText } from '../../../core/text/text.ts';
import { completed } from '../../../proxmox/guest/fresh.ts';
import { type Guest, type GuestRow, isFree, nextFree, readGuest, readStatus } from '../../../proxmox/guest/guests.ts';
import type { OperationContext } from '../../define.ts';
import { sameName } from '../lib/match.ts';
import { stateOf } from '../lib/outcome.ts';
import { type Asked, differencesFrom } from './differences.ts';
import { addressNow } from './made.ts';
import { aloneIn, findUnfinished, finishPlan, isSameCall, unfinishedView } from './unfinished.ts';

/** Above this many guests without a name, their configurations cost too many requests. */
const READ_ONE_BY_ONE = 20;

export interface Wanted {
  name?: string | undefined;
  /** Chosen by the caller. */
  vmid?: number | undefined;
  /** A clone's own source can never be its result. */
  source?: number;
  /** Default: qemu. */
  type?: GuestType;
}

export interface Existing {
  /** With the state that it has now. */
  row: GuestRow;
  /** Undefined while the guest is being created and cannot be read. */
  guest?: Guest;
}

/**
 * The existing guest with the name (in any case) or the VMID that a create or clone requests.
 * @throws conflict when what is there cannot be what was requested
 */
export async function findExisting(ctx: OperationContext, guests: readonly GuestRow[], wanted: Wanted): Promise<Existing | undefined> {
  const all = await withFresh(ctx, await withNames(ctx.api, guests));
  const named = wanted.name === undefined ? [] : all.filter((g) => sameName(g.name, wanted.name ?? ''));
  const numbered = all.find((g) => g.vmid === wanted.vmid);
  if (named.length > 1) {
    const list = named.map((g) => g.vmid).join(', ');
    fail('conflict', `Several guests are called ${wanted.name}: ${list}.`, { details: { candidates: named.map((g) => g.vmid) } });
  }
  const hit = numbered ?? named[0];
  if (named[0] && numbered && named[0].vmid !== numbered.vmid) {
    fail('conflict', `The name ${wanted.name} belongs to guest ${named[0].vmid}, and VMID ${numbered.vmid} to ${labelOf(numbered)}.`);
  }
  if (!hit) return none(ctx, wanted);
  const of = labelOf(hit);
  if (hit.vmid === wanted.source) fail('conflict', `${of} is the source itself.`, { hint: 'Choose another name and VMID for the clone.' });
  if (hit.type !== (wanted.type ?? 'qemu'))
    fail('conflict', `${of} is a ${hit.type === 'lxc' ? 'container' : 'VM'}.`, {
      hint: 'Choose another name or VMID.',
    });
  if (hit.template) fail('conflict', `${of} is a template.`);
  // A token of a pool may not read a guest while it is being created.
  const [guest, status] = await Promise.all([
    ifAllowed(readGuest(ctx.api, hit), undefined),
    ifAllowed(readStatus(ctx.api, hit), undefined),
  ]);
  // Lists show a former name for a moment.
  if (!numbered && guest && guest.identity.name !== '' && !sameName(guest.identity.name, wanted.name ?? '')) return none(ctx, wanted);
  return { row: { ...hit, status: status ? stateOf(status) : hit.status }, ...(guest ? { guest } : {}) };
}

/** @throws conflict when the VMID is taken all the same */
async function none({ api }: OperationContext, { vmid }: Wanted): Promise<undefined> {
  if (vmid === undefined || (await isFree(api, vmid))) return undefined;
  fail('conflict', `VMID ${vmid} is taken by a guest that the token cannot see.`, { hint: 'Choose another VMID, or leave it out.' });
}

/**
 * A guest that is a moment old may have a name in its configuration alone. Where many have none, their configurations are not read: the lists
 * of their nodes know all but that one moment.
 */
async function withNames(api: ProxmoxReader, guests: readonly GuestRow[]): Promise<readonly GuestRow[]> {
  const rows = await completed(api, guests);
  const nameless = rows.filter((g) => g.name === '');
  if (nameless.length > READ_ONE_BY_ONE) return rows;
  const read = nameless.map(async (g) => [g.vmid, await readGuest(api, g).catch(() => undefined)] as const);
  const known = new Map(await Promise.all(read));
  return rows.map((g) => ({ ...g, name: g.name === '' ? (known.get(g.vmid)?.identity.name ?? '') : g.name }));
}

/** Guests that other calls of this server have just made, where a token of a pool does not see them yet. */
async function withFresh(ctx: OperationContext, guests: readonly GuestRow[]): Promise<readonly GuestRow[]> {
  const unseen = ctx.fresh.filter((f) => !guests.some((g) => g.vmid === f.vmid));
  const there = await Promise.all(unseen.map(async (f) => ((await isFree(ctx.api, f.vmid)) ? [] : [f])));
  return [
    ...guests.map((g) => (g.name === '' ? { ...g, name: ctx.fresh.find((f) => f.vmid === g.vmid)?.name ?? '' } : g)),
    ...there.flat().map((f): GuestRow => ({ ...f, status: 'unknown', template: false, tags: [] })),
  ];
}

interface Requested {
  /** Of this guest. */
  args: Asked & object;
  /** The arguments of the whole call, as the engine stores them. */
  call: object;
  /** Compares what guests of this kind alone have. */
  more?: (guest: Guest, run: RunRecord | undefined) => string[];
}

/** The plan of a create or clone for a guest that exists: nothing; or, when the same call left it half-made, the rest. */
export async function planForExisting(
  ctx: OperationContext,
  operation: string,
  existing: Existing,
  { args, call, more }: Requested,
): Promise<PlanDraft> {
  const { row, guest } = existing;
  const madeBy = guest && (await ctx.madeBy(guest.identity));
  const run = madeBy && aloneIn(madeBy, row.vmid);
  const unfinished = guest && run && (await findUnfinished(ctx, run));
  if (guest && unfinished && isSameCall(ctx, operation, call, run)) {
    const rest = finishPlan(guest, unfinished, row.status);
    if (rest) return rest;
  }
  const differences = guest ? [...(await differencesFrom(ctx, { row, guest, run }, args)), ...(more?.(guest, run) ?? [])] : [];
  const name = plainText(guest?.identity.name ?? row.name, 80);
  const notice = await otherName(ctx, row.vmid, name, args);
  return {
    summary: `Nothing will change: ${name || 'guest'} (${row.vmid}) already exists`,
    node: row.node,
    ...nothingToSend({
      ...defined({ notice }),
      created: false,
      existing: true,
      vmid: row.vmid,
      name,
      node: row.node,
      status: row.status,
      differences,
      ...(args.wait_for === undefined ? {} : await addressNow(ctx.api, row)),
      ...(unfinished ? { unfinished: unfinishedView(ctx, unfinished) } : {}),
      ...(guest ? {} : { note: 'it is being created or cannot be read, so differences were not checked' }),
    }),
  };
}

/** Without it, a reader of VMID and state alone would take a foreign guest for the new one. */
async function otherName(ctx: OperationContext, vmid: number, name: string, asked: Asked): Promise<string | undefined> {
  if (asked.vmid !== vmid || asked.name === undefined || sameName(asked.name, name)) return undefined;
  const next = await nextFree(ctx.api);
  return `Nothing was created: VMID ${vmid} is ${name || 'a guest without a name'}, not ${asked.name}; next free VMID: ${next}`;
}
