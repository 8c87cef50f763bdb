import { backupOwner } from '../guest/disks.ts';
import { itemsOf } from '../guest/property-strings.ts';
import { storageOf } from '../storage.ts';
import { allOrBackups, onGuest, space } from './devices.ts';
import type { Rule } from './guest-rules.ts';
import { modifying, type Need, need } from './need.ts';

/** `all` skips the guests without VM.Backup in silence; the members of a pool are not looked up. */
const vzdump: Rule = ({ params }) => {
  const { storage, vmid, bwlimit, ionice, performance } = params;
  const slow = [bwlimit, ionice, performance].some((value) => value !== undefined);
  const keep = storage !== undefined && params['prune-backups'] !== undefined;
  return [
    ...(slow ? [need('/', 'Sys.Modify')] : []),
    ...(keep ? [need(`/storage/${storage}`, 'Datastore.Allocate')] : []),
    ...space(storage),
    ...itemsOf(vmid).map((one) => onGuest(one, 'VM.Backup')),
  ];
};

/** Destroying or changing a volume. A backup's owner may do it too. */
const volume: Rule = ({ at }) => {
  const { storage = '', volume: named = '' } = at;
  const volid = named.includes(':') ? named : `${storage}:${named}`;
  return [allOrBackups(storage, backupOwner(volid))];
};

/** Reading a backup: its attributes, its configuration. */
const backup = (volid: string): Need[] => {
  const owner = backupOwner(volid);
  return owner === undefined ? [] : [allOrBackups(storageOf(volid), owner)];
};

const prune: Rule = ({ at, params }) => [allOrBackups(at.storage ?? '', params.vmid)];

/** Guests that are named; without names Proxmox takes those that the token may. */
const each =
  (privilege: string): Rule =>
  ({ params }) =>
    itemsOf(params.vms).map((vmid) => onGuest(vmid, privilege));

/** Membership decides over rights, so it needs the right to give some away. */
const members: Rule = ({ params }) => [
  ...itemsOf(params.vms).map((vmid) => need(`/vms/${vmid}`, ...modifying(`/vms/${vmid}`))),
  ...itemsOf(params.storage).map((storage) => need(`/storage/${storage}`, ...modifying(`/storage/${storage}`))),
];

/** The storage is `local` where neither it nor a folder is named; that of a job that exists is not looked up. */
const job =
  (is: 'new' | 'changed'): Rule =>
  ({ params }) => {
    const usual = params.dumpdir === undefined && (is === 'new' || itemsOf(params.delete).includes('storage')) ? 'local' : undefined;
    const storage = params.storage ?? usual;
    return [
      ...(storage === undefined ? [] : [need(`/storage/${storage}`, 'Datastore.Allocate')]),
      ...(params.pool === undefined ? [] : [need(`/pool/${params.pool}`, 'VM.Backup')]),
    ];
  };

export const OTHER_RULES: Readonly<Record<string, Rule>> = {
  'POST /nodes/{node}/vzdump': vzdump,
  'GET /nodes/{node}/vzdump/extractconfig': ({ params }) => backup(params.volume ?? ''),
  'GET /nodes/{node}/storage/{storage}/content/{volume}': ({ at }) => backup(at.volume ?? ''),
  'PUT /nodes/{node}/storage/{storage}/content/{volume}': volume,
  'DELETE /nodes/{node}/storage/{storage}/content/{volume}': volume,
  'DELETE /nodes/{node}/storage/{storage}/prunebackups': prune,
  'POST /nodes/{node}/startall': each('VM.PowerMgmt'),
  'POST /nodes/{node}/stopall': each('VM.PowerMgmt'),
  'POST /nodes/{node}/suspendall': each('VM.PowerMgmt'),
  'POST /nodes/{node}/migrateall': each('VM.Migrate'),
  'POST /cluster/bulk-action/guest/start': each('VM.PowerMgmt'),
  'POST /cluster/bulk-action/guest/shutdown': each('VM.PowerMgmt'),
  'POST /cluster/bulk-action/guest/suspend': each('VM.PowerMgmt'),
  'POST /cluster/bulk-action/guest/migrate': each('VM.Migrate'),
  'PUT /pools/{poolid}': members,
  'PUT /pools': members,
  'POST /cluster/backup': job('new'),
  'PUT /cluster/backup/{id}': job('changed'),
};
