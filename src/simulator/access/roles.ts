import { registerFormat } from '../formats.ts';
import type { Role } from '../model.ts';

const VM = {
  audit: ['VM.Audit', 'VM.GuestAgent.Audit'],
  user: [
    'VM.Audit',
    'VM.Backup',
    'VM.Config.CDROM',
    'VM.Config.Cloudinit',
    'VM.Console',
    'VM.GuestAgent.Audit',
    'VM.GuestAgent.FileRead',
    'VM.GuestAgent.FileSystemMgmt',
    'VM.GuestAgent.FileWrite',
    'VM.PowerMgmt',
  ],
  admin: [
    'VM.Allocate',
    'VM.Audit',
    'VM.Backup',
    'VM.Clone',
    'VM.Config.CDROM',
    'VM.Config.CPU',
    'VM.Config.Cloudinit',
    'VM.Config.Disk',
    'VM.Config.HWType',
    'VM.Config.Memory',
    'VM.Config.Network',
    'VM.Config.Options',
    'VM.Console',
    'VM.GuestAgent.Audit',
    'VM.GuestAgent.FileRead',
    'VM.GuestAgent.FileSystemMgmt',
    'VM.GuestAgent.FileWrite',
    'VM.GuestAgent.Unrestricted',
    'VM.Migrate',
    'VM.PowerMgmt',
    'VM.Replicate',
    'VM.Snapshot',
    'VM.Snapshot.Rollback',
  ],
};
const DATASTORE = ['Datastore.Allocate', 'Datastore.AllocateSpace', 'Datastore.AllocateTemplate', 'Datastore.Audit'];
const SDN = ['SDN.Allocate', 'SDN.Audit', 'SDN.Use'];
const MAPPING = ['Mapping.Audit', 'Mapping.Modify', 'Mapping.Use'];
const SYS = ['Sys.AccessNetwork', 'Sys.Audit', 'Sys.Console', 'Sys.Incoming', 'Sys.Modify', 'Sys.PowerMgmt', 'Sys.Syslog'];
const ACCESS = [
  'Group.Allocate',
  'Permissions.Modify',
  'Pool.Allocate',
  'Pool.Audit',
  'Realm.Allocate',
  'Realm.AllocateUser',
  'User.Modify',
];
const AUDIT = ['Datastore.Audit', 'Mapping.Audit', 'Pool.Audit', 'SDN.Audit', 'Sys.Audit', ...VM.audit];

const NOT_FOR_ADMINS = [
  'Mapping.Modify',
  'Permissions.Modify',
  'Realm.Allocate',
  'Sys.AccessNetwork',
  'Sys.Incoming',
  'Sys.Modify',
  'Sys.PowerMgmt',
];

/** Every privilege of Proxmox VE 9. `VM.Monitor` is gone since 9.0. */
export const PRIVILEGES: readonly string[] = [...ACCESS, ...DATASTORE, ...MAPPING, ...SDN, ...SYS, ...VM.admin].sort();

registerFormat('pve-priv', (text) => (PRIVILEGES.includes(text) ? undefined : `invalid privilege '${text}'`));

const special = (roleid: string, privs: readonly string[]): Role => ({ roleid, privs: [...privs].sort(), special: 1 });

/** The roles every installation has. */
export const BUILT_IN_ROLES: Role[] = [
  special('Administrator', PRIVILEGES),
  special('NoAccess', []),
  special(
    'PVEAdmin',
    PRIVILEGES.filter((priv) => !NOT_FOR_ADMINS.includes(priv)),
  ),
  special('PVEAuditor', AUDIT),
  special('PVEDatastoreAdmin', DATASTORE),
  special('PVEDatastoreUser', ['Datastore.AllocateSpace', 'Datastore.Audit']),
  special('PVEMappingAdmin', MAPPING),
  special('PVEMappingUser', ['Mapping.Audit', 'Mapping.Use']),
  special('PVEPoolAdmin', ['Pool.Allocate', 'Pool.Audit']),
  special('PVEPoolUser', ['Pool.Audit']),
  special('PVESDNAdmin', SDN),
  special('PVESDNUser', ['SDN.Audit', 'SDN.Use']),
  special('PVESysAdmin', ['Sys.Audit', 'Sys.Console', 'Sys.Syslog']),
  special('PVETemplateUser', ['VM.Audit', 'VM.Clone']),
  special('PVEUserAdmin', ['Group.Allocate', 'Realm.AllocateUser', 'User.Modify']),
  special('PVEVMAdmin', VM.admin),
  special('PVEVMUser', VM.user),
];
