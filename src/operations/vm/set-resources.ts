import * as z from 'zod';
import type { Effect } from '../../core/effect.ts';
import { fail } from '../../core/errors.ts';
import type { Condition, Params, Plan, RequestStep } from '../../core/plan.ts';
import { plainText } from '../../core/text.ts';
import { type Guest, guestPath, memoryOf, readGuest } from '../../proxmox/guests.ts';
import { listNodes } from '../../proxmox/nodes.ts';
import { defineOperation } from '../define.ts';
import { refuseTooManyCpus } from './limits.ts';
import { outcomeOf, placeOf, statusNow } from './outcome.ts';
import { changed, cores, memory, sockets, vmid } from './schemas.ts';
import { factsOf, label, readTarget, refuseLocked, type Target } from './target.ts';

const CONFIG_SECONDS = 120;
const KEYS = ['cores', 'sockets', 'memory', 'balloon'] as const;
type Key = (typeof KEYS)[number];
type Values = Partial<Record<Key, number>>;

const input = z
  .strictObject({
    vmid,
    cores: cores.optional(),
    sockets: sockets.optional(),
    memory: memory.optional().describe('MiB'),
    balloon: z.int().min(0).max(16_777_216).optional().describe('Minimum MiB; 0 disables'),
  })
  .refine((args) => KEYS.some((key) => args[key] !== undefined), { message: 'give at least one of cores, sockets, memory, balloon' });

/** POST …/qemu/{vmid}/config, PUT …/lxc/{vmid}/config, with the digest of what was read; only what differs. */
export const setResources = defineOperation({
  name: 'set_resources',
  title: 'Change CPU and memory',
  effect: 'change',
  toolset: 'vm',
  description:
    'Changes cores, sockets, memory or balloon of a VM (cores, memory of a container). The answer tells what is live and what waits for a stop and start.',
  input,
  byName: { vmid: 'name' },
  output: changed.extend({ applied: z.record(z.string(), z.unknown()).optional(), pending: z.record(z.string(), z.unknown()).optional() }),
  async plan(ctx, args): Promise<Plan> {
    const target = await readTarget(ctx.api, args.vmid);
    const { guest } = target;
    const { at, identity } = guest;
    if (at.type === 'lxc' && (args.sockets !== undefined || args.balloon !== undefined)) {
      fail('not_possible', `${label(guest)} is a container, which has neither sockets nor a balloon.`, {
        hint: 'Give cores and memory only.',
      });
    }
    const now = valuesOf(guest);
    const wanted = Object.fromEntries(
      KEYS.flatMap((key) => (args[key] === undefined || args[key] === now[key] ? [] : [[key, args[key]]])),
    ) as Values;
    const keys = KEYS.filter((key) => wanted[key] !== undefined);
    const base = { operation: 'set_resources', target: identity, node: at.node, facts: factsOf(target), choices: [] };
    if (keys.length === 0) {
      const existing = {
        vmid: at.vmid,
        name: plainText(identity.name, 80),
        node: at.node,
        status: target.status.status,
        already: true,
        ...pendingView(guest, KEYS),
      };
      return {
        ...base,
        summary: `${label(guest)} has these resources already`,
        effect: 'change',
        steps: [],
        expected: [],
        warnings: [],
        undo: '',
        existing,
      };
    }
    refuseLocked(target);
    const after = { ...now, ...wanted };
    refuseBalloon(guest, after, wanted);
    const sizes = {
      cpu: at.type === 'qemu' ? (after.cores ?? 1) * (after.sockets ?? 1) : (after.cores ?? target.row.cpus ?? 0),
      memoryMib: after.memory ?? 0,
      diskGib: guest.sizes.diskGib,
    };
    const node = (await listNodes(ctx.api)).find((n) => n.node === at.node);
    if (at.type === 'qemu' && (wanted.cores ?? wanted.sockets) !== undefined) refuseTooManyCpus(sizes.cpu, node);
    const raised = raise(target, wanted);
    const waiting = keys.filter((key) => !isLive(target, key));
    const config: Condition = { kind: 'config', type: at.type, vmid: at.vmid, node: at.node, has: textual(wanted) };
    return {
      ...base,
      summary: `Set ${keys.map((key) => `${key} ${now[key] ?? 'unset'} → ${wanted[key]}`).join(', ')} of ${label(guest)} on ${at.node}`,
      ...raised,
      steps: [configStep(guest, wanted, config)],
      expected: [config],
      demand: {
        newGuests: 0,
        vmid: at.vmid,
        before: { cpu: guest.sizes.cpu ?? target.row.cpus ?? 0, memoryMib: guest.sizes.memoryMib, diskGib: guest.sizes.diskGib },
        after: sizes,
      },
      warnings: [
        ...(waiting.length > 0
          ? [`${waiting.join(', ')}: pending until the guest is stopped and started; a reboot from inside does not apply them`]
          : []),
        ...(node?.memoryMib !== undefined && sizes.memoryMib > node.memoryMib
          ? [`${sizes.memoryMib} MiB are more than the ${node.memoryMib} MiB of node ${at.node}`]
          : []),
      ],
      before: pick(now, keys),
      after: pick(after, keys),
      undo: `set_resources ${JSON.stringify({ vmid: at.vmid, ...pick({ balloon: now.memory ?? 0, cores: 1, sockets: 1, ...now }, keys) })}`,
    };
  },
  async report(ctx, _args, run) {
    const { name, ...at } = placeOf(run);
    const guest = await readGuest(ctx.api, at).catch(() => undefined);
    const keys = KEYS.filter((key) => key in (run.plan.after ?? {}));
    return {
      vmid: at.vmid,
      name,
      node: at.node,
      status: await statusNow(ctx.api, at),
      ...(guest ? pendingView(guest, keys) : {}),
      ...outcomeOf(run),
    };
  },
});

/** As the guest will have them once pending changes are applied; a VM's defaults filled in. */
function valuesOf({ at, config }: Guest): Values {
  const number = (key: Key) => (config[key] === undefined ? {} : { [key]: Number(config[key]) });
  const defaults = at.type === 'qemu' ? { cores: 1, sockets: 1 } : {};
  return { ...defaults, ...number('cores'), ...number('sockets'), ...number('balloon'), memory: memoryOf(config) };
}

/** Proxmox: "balloon value too large (must be smaller than assigned memory)". */
function refuseBalloon(guest: Guest, after: Values, wanted: Values): void {
  if (guest.at.type !== 'qemu' || after.balloon === undefined || after.memory === undefined || after.balloon <= after.memory) return;
  fail('not_possible', `balloon ${after.balloon} MiB is more than memory ${after.memory} MiB.`, {
    hint: wanted.balloon === undefined ? `Give balloon too, at most ${after.memory}.` : `balloon is the minimum: at most ${after.memory}.`,
  });
}

/** Whether a value takes effect in the running guest at once. */
function isLive({ guest, running }: Target, key: Key): boolean {
  if (!running || guest.at.type === 'lxc' || key === 'balloon') return true;
  const hotplug = guest.live.hotplug ?? 'network,disk,usb';
  return key === 'memory' && guest.live.numa === '1' && (hotplug === '1' || hotplug.split(',').includes('memory'));
}

/** Taking memory away that the running guest uses interrupts it, whatever the parameter is called. */
function raise(target: Target, wanted: Values): { effect: Effect; raisedBecause?: string } {
  if (!target.running) return { effect: 'change' };
  const { usedBytes, balloonMib } = target.status;
  const usedMib = usedBytes > 0 ? Math.ceil(usedBytes / 2 ** 20) : (balloonMib ?? target.guest.sizes.memoryMib);
  const taken = (['memory', 'balloon'] as const).find((key) => {
    const value = wanted[key];
    return value !== undefined && !(key === 'balloon' && value === 0) && isLive(target, key) && value < usedMib;
  });
  if (taken === undefined) return { effect: 'change' };
  return {
    effect: 'disrupt',
    raisedBecause: `${taken} ${wanted[taken]} MiB takes effect at once and is below the ${usedMib} MiB that the running guest uses`,
  };
}

function configStep(guest: Guest, wanted: Values, proof: Condition): RequestStep {
  const { at, digest } = guest;
  const params: Params = { ...wanted, ...(digest === undefined ? {} : { digest }) };
  const common = {
    kind: 'request',
    id: 'config',
    path: `${guestPath(at)}/config`,
    params,
    purpose: `change the resources of ${label(guest)}`,
    proof,
  } as const;
  if (at.type === 'lxc') return { ...common, method: 'PUT' };
  return {
    ...common,
    method: 'POST',
    task: { type: 'qmconfig', id: String(at.vmid), node: at.node, timeoutSeconds: CONFIG_SECONDS },
    retryOnLock: true,
  };
}

function pendingView(guest: Guest, keys: readonly Key[]): { applied?: Record<string, string>; pending?: Record<string, string> } {
  const waiting = guest.pending.filter((p) => (keys as readonly string[]).includes(p.key));
  const live = keys.filter((key) => guest.live[key] !== undefined && !waiting.some((p) => p.key === key));
  return {
    ...(live.length > 0 ? { applied: Object.fromEntries(live.map((key) => [key, guest.live[key] ?? ''])) } : {}),
    ...(waiting.length > 0
      ? {
          pending: Object.fromEntries(waiting.map((p) => [p.key, `${p.now ?? 'unset'} → ${p.next ?? 'unset'} at the next stop and start`])),
        }
      : {}),
  };
}

function pick(values: Values, keys: readonly Key[]): Record<string, number> {
  return Object.fromEntries(keys.flatMap((key) => (values[key] === undefined ? [] : [[key, values[key]]])));
}

function textual(values: Values): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, String(value)]));
}
