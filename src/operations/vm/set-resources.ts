import * as z from 'zod';
import { present } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import { raisedTo } from '../../core/plan/effect.ts';
import type { Condition, PlanDraft } from '../../core/plan/plan.ts';
import { type Guest, memoryOf, readGuest } from '../../proxmox/guest/guests.ts';
import { listNodes } from '../../proxmox/nodes.ts';
import { defineOperation } from '../define.ts';
import { GUEST_READS, NODE_READS } from './lib/api.ts';
import { appliedToo, destroying } from './lib/doomed.ts';
import { configRequest } from './lib/guest-request.ts';
import { isLive, shrinksTooFar, takenFromRunning } from './lib/less-memory.ts';
import { demandOf, nodeWarnings, refuseTooLarge } from './lib/limits.ts';
import { alreadySo, placeOf, reportOf } from './lib/outcome.ts';
import { changed, cores, MAX_MEMORY, memory, sockets, vmid } from './lib/schemas.ts';
import { about, label, readTarget, refuseLocked } from './lib/target.ts';

const KEYS = ['cores', 'sockets', 'memory', 'balloon'] as const;
type Key = (typeof KEYS)[number];
type Values = Partial<Record<Key, number>>;

const input = z
  .strictObject({
    vmid,
    cores: cores.optional(),
    sockets: sockets.optional(),
    memory: memory.optional().describe('MiB'),
    balloon: z.int().min(0).max(MAX_MEMORY).optional().describe('Minimum MiB; 0 disables'),
  })
  .refine((args) => KEYS.some((key) => args[key] !== undefined), { message: 'give at least one of cores, sockets, memory, balloon' });

/** POST …/qemu/{vmid}/config, PUT …/lxc/{vmid}/config, with the digest of what was read; only what differs. */
export const setResources = defineOperation({
  name: 'set_resources',
  title: 'Change CPU and memory',
  effect: 'change',
  toolset: 'everyday',
  description:
    'Changes cores, sockets, memory or balloon of a VM (cores, memory of a container). The answer says what is live and what needs a stop and start.',
  input,
  byName: { vmid: 'name' },
  output: changed.extend({ applied: z.record(z.string(), z.unknown()).optional(), pending: z.record(z.string(), z.unknown()).optional() }),
  reads: GUEST_READS,
  mayRead: NODE_READS,
  sends: {
    'POST /nodes/{node}/qemu/{vmid}/config': [...KEYS, 'digest'],
    'PUT /nodes/{node}/lxc/{vmid}/config': ['cores', 'memory', 'digest'],
  },
  example: { vmid: 105, cores: 2 },
  async plan(ctx, args): Promise<PlanDraft> {
    const target = await readTarget(ctx.api, args.vmid);
    const { guest } = target;
    const { at } = guest;
    const of = label(guest);
    if (at.type === 'lxc' && (args.sockets !== undefined || args.balloon !== undefined)) {
      fail('not_possible', `${of} is a container. Containers have neither sockets nor a balloon.`, {
        hint: 'Give cores and memory only.',
      });
    }
    const now = valuesOf(guest);
    const asked = KEYS.filter((key) => args[key] !== undefined);
    const keys = asked.filter((key) => args[key] !== now[key]);
    const wanted = pick(args, keys);
    if (keys.length === 0) return alreadySo(target, `${of} already has these resources`, pendingView(guest, asked));
    refuseLocked(target);
    const after = { ...now, ...wanted };
    refuseBalloon(guest, after, wanted);
    const sizes = {
      cpu: at.type === 'qemu' ? (after.cores ?? 1) * (after.sockets ?? 1) : (after.cores ?? target.row.cpus ?? 0),
      memoryMib: after.memory ?? 0,
    };
    const node = (await listNodes(ctx.api)).find((n) => n.node === at.node);
    const demand = demandOf(guest, sizes, guest.sizes.cpu ?? target.row.cpus);
    await refuseTooLarge(ctx, demand, at.type === 'qemu' && (wanted.cores ?? wanted.sockets) !== undefined ? node : undefined);
    const doomed = appliedToo(target, keys);
    const small = shrinksTooFar(guest, wanted.memory);
    // Less memory interrupts a guest, now or at its next start, whatever the parameter is called. More memory never does.
    const interrupts = takenFromRunning(target, wanted) ?? small;
    // A value that the guest runs with takes a pending change back.
    const runsWith = valuesOf({ ...guest, config: guest.live });
    const waiting = keys.filter((key) => !isLive(target, key, wanted) && wanted[key] !== runsWith[key]);
    const config: Condition = { kind: 'config', ...at, has: Object.fromEntries(keys.map((key) => [key, String(wanted[key])])) };
    const plan: PlanDraft = {
      ...about(target),
      summary: `Set ${keys.map((key) => `${key} ${now[key] ?? 'unset'} → ${wanted[key]}`).join(', ')} of ${of} on ${at.node}`,
      ...raisedTo('disrupt', interrupts),
      steps: [
        configRequest(at, {
          ...{ id: 'config', params: wanted, digest: guest.digest },
          ...{ purpose: `change the resources of ${of}`, proof: config },
        }),
      ],
      expected: [config],
      demand,
      warnings: present(
        ...nodeWarnings(node, sizes.memoryMib),
        small,
        doomed.warning,
        waiting.length > 0 &&
          `${waiting.join(', ')}: pending until the guest is stopped and started; a reboot from inside does not apply them`,
      ),
      before: pick(now, keys),
      after: pick(after, keys),
      undo: undo(guest, now, keys).join('; '),
    };
    return destroying(plan, doomed, at, 'the guest is stopped, so the change also');
  },
  async report(api, run) {
    const guest = await readGuest(api, placeOf(run)).catch(() => undefined);
    const keys = KEYS.filter((key) => key in (run.plan.after ?? {}));
    return { ...(await reportOf(api, run)), ...(guest ? pendingView(guest, keys) : {}) };
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

/** The calls that undo it. This tool cannot unset an option again. */
function undo(guest: Guest, now: Values, keys: readonly Key[]): string[] {
  const { at } = guest;
  const unlimited = at.type === 'lxc' && now.cores === undefined && keys.includes('cores');
  const back = pick({ balloon: now.memory ?? 0, cores: 1, sockets: 1, ...now }, unlimited ? keys.filter((key) => key !== 'cores') : keys);
  return [
    ...(Object.keys(back).length > 0 ? [`set_resources ${JSON.stringify({ vmid: at.vmid, ...back })}`] : []),
    ...(unlimited ? [`the operator removes the core limit: pct set ${at.vmid} --delete cores`] : []),
  ];
}

function pendingView(guest: Guest, keys: readonly Key[]): { applied?: Record<string, string>; pending?: Record<string, string> } {
  const waiting = guest.pending.filter((p) => (keys as readonly string[]).includes(p.key));
  const live = keys.filter((key) => guest.live[key] !== undefined && !waiting.some((p) => p.key === key));
  const applied = Object.fromEntries(live.map((key) => [key, guest.live[key] ?? '']));
  const pending = waiting.map((p) => [p.key, `${p.now ?? 'unset'} → ${p.next ?? 'removed'} at the next stop and start`]);
  return { ...(live.length > 0 ? { applied } : {}), ...(waiting.length > 0 ? { pending: Object.fromEntries(pending) } : {}) };
}

function pick(values: { [K in Key]?: number | undefined }, keys: readonly Key[]): Values {
  return Object.fromEntries(keys.flatMap((key) => (values[key] === undefined ? [] : [[key, values[key]]])));
}
