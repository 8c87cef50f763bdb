import { createHash } from 'node:crypto';
import { splitList } from './formats.ts';
import type { Guest, HaRule } from './model.ts';
import type { World } from './world.ts';

export const sidOf = (guest: Pick<Guest, 'type' | 'vmid'>): string => `${guest.type === 'qemu' ? 'vm' : 'ct'}:${guest.vmid}`;

export function isManaged(world: World, guest: Guest): boolean {
  const found = world.get('ha', sidOf(guest));
  return found !== undefined && found.state !== 'ignored';
}

const rulesFor = (world: World, sid: string): HaRule[] =>
  [...world.all('ha-rule').values()].filter((rule) => rule.disable !== 1 && splitList(rule.resources).includes(sid));

const nodeOfSid = (world: World, sid: string): string | undefined => world.guest(Number(sid.split(':')[1]))?.node;

export interface Blocker {
  sid: string;
  cause: 'node-affinity' | 'resource-affinity';
}

/** Resources that hinder a managed guest from going to other nodes, by node. */
export function blockedByHa(world: World, guest: Guest): Record<string, Blocker[]> {
  const sid = sidOf(guest);
  if (!isManaged(world, guest)) return {};
  const found: Record<string, Blocker[]> = {};
  const block = (node: string, blocker: Blocker) => {
    if (node === guest.node) return;
    found[node] = [...(found[node] ?? []), blocker];
  };
  for (const rule of rulesFor(world, sid)) {
    if (rule.affinity === 'negative')
      for (const other of splitList(rule.resources).filter((one) => one !== sid)) {
        const node = nodeOfSid(world, other);
        if (node !== undefined) block(node, { sid: other, cause: 'resource-affinity' });
      }
    if (rule.type !== 'node-affinity' || rule.strict !== 1) continue;
    const allowed = splitList(rule.nodes ?? '').map((entry) => entry.split(':')[0]);
    for (const node of world.all('node').keys()) if (!allowed.includes(node)) block(node, { sid, cause: 'node-affinity' });
  }
  return found;
}

/** Resources that go along with a managed guest. */
export function movedAlong(world: World, guest: Guest): string[] {
  const sid = sidOf(guest);
  const together = rulesFor(world, sid).filter(({ affinity }) => affinity === 'positive');
  return [...new Set(together.flatMap(({ resources }) => splitList(resources)))].filter((other) => other !== sid).sort();
}

/** SHA-1 of one of the configuration files of the HA manager. */
export const haDigest = (world: World, kind: 'ha' | 'ha-rule'): string =>
  createHash('sha1')
    .update(JSON.stringify([...world.all(kind).values()]))
    .digest('hex');
