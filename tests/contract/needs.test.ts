import { expect, it } from 'vitest';
import { contract } from '../../src/proxmox/contract/contract.ts';
import type { Known } from '../../src/proxmox/contract/guest-rules.ts';
import { unmet } from '../../src/proxmox/contract/need.ts';
import { needFor } from '../../src/proxmox/contract/permissions.ts';
import { readRecording } from './replay.ts';
import { openRecordedWorld } from './visibility-world.ts';
import { type Call, calls, furnish } from './write-world.ts';

const { meta, exchanges } = readRecording('visibility.jsonl.gz');

/** Privileges that Proxmox asked for and that nothing in the request tells: they are left to Proxmox. */
const UNTOLD: Record<string, string[]> = {
  // Who is in a pool, in which pool a guest is, whose task it is.
  'backup of a pool': ['/vms/103 VM.Backup'],
  'pool move guest from another': ['/pool/other Pool.Allocate'],
  'task log of another user': ['/nodes/pve Sys.Audit'],
  'task status of another user': ['/nodes/pve Sys.Audit'],
  'task stop of another user': ['/nodes/pve Sys.Modify'],
  // What a backup job, a snapshot and the options of the cluster hold.
  'backup job change': ['/storage/local Datastore.Allocate'],
  'clone of a snapshot': ['/storage/local Datastore.AllocateSpace', '/storage/store2 Datastore.AllocateSpace'],
  'registered tag set': ["/ Sys.Modify for modifying tag 'vip'"],
  'tag with user-allow=none': ["/ Sys.Modify for modifying tag 'red'"],
  // The storage that Proxmox chooses.
  hibernate: ['/storage/store2 Datastore.AllocateSpace'],
};
/** Of two ways to be allowed the recording took the other one: what is told instead. */
const OTHER_WAY: Record<string, string[]> = {
  'download-url import': ['/nodes/pve Sys.AccessNetwork'],
  'url metadata (other way)': ['/nodes/pve Sys.AccessNetwork'],
};
/** Refused for another reason before the privilege was asked for, or in words that name neither path nor privilege. */
const NOT_REACHED: Record<string, string[]> = {
  skiplock: ['/vms/100 VM.Config.Options'],
  'disks list': ['/nodes/pve Sys.Audit'],
};

const written = (path: string, privileges: readonly string[]) => `${path} ${[...privileges].sort().join('|')}`;

const everyCall = calls.map((call): [string, Call] => [`${call.what}: ${call.method} ${call.path}`, call]);
const guestOf = (call: Call) => `/vms/${/\/qemu\/(\d+)/.exec(call.path)?.[1]}`;

/** What the product says that a call needs, in the world in which it was recorded. */
async function needOf(call: Call) {
  const world = openRecordedWorld(exchanges, meta.principals);
  world.write(() => furnish(world, call.what));
  const known: Known = {
    major: 9,
    config: async (_type, vmid) => world.guest(Number(vmid))?.config ?? {},
    backup: async (_node, volid) => [...world.all('volume').values()].find((volume) => volume.volid === volid)?.config ?? {},
  };
  return needFor(call, await contract(), known);
}

it.each(everyCall)('to a token without rights, what Proxmox asks for is missing and nothing else: %s', async (_name, call) => {
  const asked = call.asked.flatMap(([kind, path, privileges]) => {
    // Of eight privileges each one passes the first check; the recording went on with this one.
    if (kind === 'any') return [`${guestOf(call)} VM.Config.Disk`];
    return path === undefined || privileges === undefined ? [] : [written(path, privileges.split('|'))];
  });
  const other = OTHER_WAY[call.what];
  const right = other ? [...asked.filter((one) => !one.startsWith('/ ')), ...other] : asked;
  const left = UNTOLD[call.what] ?? [];
  const told = unmet(await needOf(call), () => new Set()).map(({ path, privileges }) =>
    privileges.length === 8 ? `${path} VM.Config.Disk` : written(path, privileges),
  );
  const anyPassed = told.length > 0 && call.asked[0]?.[0] === 'any' ? [`${guestOf(call)} VM.Config.Disk`] : [];
  expect(new Set([...told, ...anyPassed])).toEqual(
    new Set([...right.filter((one) => !left.includes(one)), ...(NOT_REACHED[call.what] ?? [])]),
  );
});

it.each(everyCall)('nothing is missing of what was given at last: %s', async (_name, call) => {
  const given = new Map<string, Set<string>>();
  const give = (path: string, privilege: string) => given.set(path, (given.get(path) ?? new Set()).add(privilege));
  for (const [kind, path, privileges = ''] of call.asked) {
    if (kind === 'any') give(guestOf(call), 'VM.Config.Disk');
    else if (path !== undefined) give(path, privileges.split(/[|\s]/)[0] ?? '');
  }
  const missing = unmet(await needOf(call), (path) => given.get(path) ?? new Set());
  expect(missing.map(({ path, privileges }) => written(path, privileges))).toEqual(NOT_REACHED[call.what] ?? []);
});
