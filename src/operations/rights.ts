import { contract } from '../proxmox/contract/contract.ts';
import type { Known } from '../proxmox/contract/guest-rules.ts';
import type { Need } from '../proxmox/contract/need.ts';
import { needFor } from '../proxmox/contract/permissions.ts';
import { SIGHT } from '../proxmox/contract/sight.ts';
import type { ChangeOperation, Operation } from './define.ts';

/** Kinds of places in Proxmox's tree of permissions. `cluster` is its root. */
export const PLACES = ['guests', 'storages', 'bridges', 'nodes', 'cluster'] as const;
export type Place = (typeof PLACES)[number];

/** One of the privileges on a place of that kind. */
export interface Right {
  on: Place;
  anyOf: readonly string[];
}

/** Rights without which an operation cannot work, and those with which it can do or tell more. */
export interface Rights {
  needs: Right[];
  more: Right[];
}

/** The part of an operation from which its rights follow. */
type Stated = Pick<Operation, 'reads' | 'mayRead'> & Partial<Pick<ChangeOperation, 'sends' | 'maySend'>>;

/** Sample values for requests. Only their kinds matter: every guest needs the same rights as this one. */
const AT = { node: 'pve', vmid: '100', storage: 'local', bridge: 'vmbr0', poolid: 'agents', snapname: 'one', volume: 'local:iso/cd.iso' };
const DEVICES = { net0: `virtio,bridge=${AT.bridge}`, scsi0: `${AT.storage}:vm-100-disk-0,size=1G`, rootfs: `${AT.storage}:vm-100-disk-0` };
const SAMPLES: readonly [RegExp, string][] = [
  [/^(vmid|vms)$/, AT.vmid],
  [/^(newid|target-vmid)$/, '101'],
  [/storage$/, AT.storage],
  [/^pool$/, AT.poolid],
  [/^net\d+$/, DEVICES.net0],
  [/^((ide|sata|scsi|virtio|mp)\d+|rootfs|efidisk0|tpmstate0)$/, `${AT.storage}:1`],
  [/^disk$/, 'scsi0'],
  [/^archive$/, `${AT.storage}:backup/vzdump-qemu-99-2026_01_01-00_00_00.vma.zst`],
];

/**
 * The rights of an operation, from the methods that it states: with the permission expressions of the contract, the rules beside them, and the
 * rules by which lists leave rows out.
 * @param major of Proxmox VE: privileges of the guest agent are new in 9, rights on bridges in 8
 */
export async function rightsOf(operation: Stated, major = 9): Promise<Rights> {
  const known: Known = { major, config: async () => DEVICES, backup: async () => DEVICES };
  const api = await contract();
  const needing = (name: string, params: readonly string[] = []) => needFor({ ...split(name), params: sampled(params) }, api, known);
  const sending = async (sends: Stated['sends'] = {}) => Promise.all(Object.entries(sends).map(([name, params]) => needing(name, params)));
  const reading = async (names: readonly string[] = []) =>
    Promise.all(
      names.map(async (name) => {
        const { rows = [], more = [] } = SIGHT[name]?.({ at: AT, params: {} }) ?? {};
        return { rows: [await needing(name.split('?')[0] ?? ''), ...rows], more };
      }),
    );
  const [sent, reads, maySend, mayRead] = await Promise.all([
    sending(operation.sends),
    reading(operation.reads),
    sending(operation.maySend),
    reading(operation.mayRead),
  ]);
  const needs = distinct([...reads.flatMap(({ rows }) => rows), ...sent].flatMap(rightsIn), []);
  const more = [...maySend, ...reads.flatMap((one) => one.more), ...mayRead.flatMap(({ rows, more }) => [...rows, ...more])];
  return { needs, more: distinct(more.flatMap(rightsIn), needs) };
}

function split(name: string): { method: string; path: string } {
  const [method = '', template = ''] = name.split(' ');
  return { method, path: template.replaceAll(/\{(\w+)\}/g, (_, key: keyof typeof AT) => encodeURIComponent(AT[key] ?? 'any')) };
}

function sampled(params: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    params.map((stated) => {
      const at = stated.indexOf('=');
      const name = at < 0 ? stated : stated.slice(0, at);
      return [name, at < 0 ? (SAMPLES.find(([pattern]) => pattern.test(name))?.[1] ?? '1') : stated.slice(at + 1)];
    }),
  );
}

/** Of alternatives only the last one, as in `unmet`. */
function rightsIn(one: Need): Right[] {
  if ('all' in one) return one.all.flatMap(rightsIn);
  if ('any' in one) return one.any.slice(-1).flatMap(rightsIn);
  return [{ on: placeOf(one.path), anyOf: one.anyOf }];
}

function placeOf(path: string): Place {
  const kinds: Record<string, Place> = { vms: 'guests', pool: 'guests', storage: 'storages', sdn: 'bridges', nodes: 'nodes' };
  return kinds[path.split('/')[1] ?? ''] ?? 'cluster';
}

/** Each right once, without those that another right includes. */
function distinct(rights: readonly Right[], given: readonly Right[]): Right[] {
  const covers = (other: Right, right: Right) => other.on === right.on && other.anyOf.every((name) => right.anyOf.includes(name));
  return rights.filter(
    (right, index) =>
      !given.some((other) => covers(other, right)) &&
      !rights.some((other, at) => covers(other, right) && (at < index || other.anyOf.length < right.anyOf.length)),
  );
}

/** The privileges of a role for the operations, by kind of place, sorted. @param also `everything` adds those with which they can do or tell more */
export async function roleFor(operations: readonly Operation[], also: 'needs' | 'everything', major = 9): Promise<Record<Place, string[]>> {
  const all = await Promise.all(operations.map((operation) => rightsOf(operation, major)));
  const needs = all.flatMap((one) => one.needs);
  const rights = distinct([...needs, ...(also === 'everything' ? all.flatMap(({ more }) => more) : [])], []);
  const on = (place: Place) => [...new Set(rights.filter((right) => right.on === place).map(({ anyOf: [first = ''] }) => first))].sort();
  return Object.fromEntries(PLACES.map((place) => [place, on(place)])) as Record<Place, string[]>;
}
