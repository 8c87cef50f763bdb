import type { Routes } from '../context.ts';
import type { Kinds } from '../tasks.ts';
import { ACCESS_ROUTES } from './access.ts';
import { ACCESS_GROUP_ROUTES } from './access-groups.ts';
import { BACKUP_KINDS, BACKUP_ROUTES } from './backup/backup.ts';
import { BACKUP_JOB_ROUTES } from './backup/jobs.ts';
import { BACKUP_READ_KINDS, BACKUP_READ_ROUTES } from './backup/read.ts';
import { RESTORE_KINDS } from './backup/restore.ts';
import { CLUSTER_ROUTES } from './cluster.ts';
import { FIREWALL_ROUTES } from './firewall.ts';
import { FIREWALL_SET_ROUTES } from './firewall-sets.ts';
import { BULK_KINDS, BULK_ROUTES } from './guest/bulk.ts';
import { MIGRATE_ROUTES } from './guest/migrate.ts';
import { MIGRATE_KINDS } from './guest/migrate-run.ts';
import { POWER_KINDS, POWER_ROUTES } from './guest/power.ts';
import { SNAPSHOT_KINDS, SNAPSHOT_ROUTES } from './guest/snapshots.ts';
import { HA_ROUTES } from './ha.ts';
import { LXC_KINDS, LXC_ROUTES } from './lxc/lxc.ts';
import { METRIC_ROUTES } from './metrics.ts';
import { MISC_ROUTES } from './misc.ts';
import { DOWNLOAD_KINDS, DOWNLOAD_ROUTES } from './node/download.ts';
import { NODE_NETWORK_KINDS, NODE_NETWORK_ROUTES } from './node/network.ts';
import { NODE_ROUTES } from './node/nodes.ts';
import { STORAGE_KINDS, STORAGE_ROUTES } from './node/storage.ts';
import { NODE_SYSTEM_KINDS, NODE_SYSTEM_ROUTES } from './node/system.ts';
import { TASK_ROUTES } from './node/tasks.ts';
import { NOTIFICATION_ROUTES } from './notifications.ts';
import { POOL_ROUTES } from './pools.ts';
import { AGENT_ROUTES } from './qemu/agent.ts';
import { AGENT_RUN_ROUTES } from './qemu/agent-run.ts';
import { CLONE_KINDS, CLONE_ROUTES } from './qemu/clone.ts';
import { CLOUD_INIT_ROUTES } from './qemu/cloud-init.ts';
import { CONFIG_KINDS, CONFIG_ROUTES } from './qemu/config.ts';
import { CREATE_KINDS, CREATE_ROUTES } from './qemu/create.ts';
import { DESTROY_KINDS, DESTROY_ROUTES } from './qemu/destroy.ts';
import { DISK_KINDS, DISK_ROUTES } from './qemu/disk.ts';
import { READ_ROUTES } from './qemu/read.ts';
import { REPLICATION_ROUTES } from './replication.ts';
import { SDN_KINDS, SDN_ROUTES } from './sdn.ts';

/** Every endpoint that is simulated. */
export const ROUTES: Routes = {
  ...ACCESS_ROUTES,
  ...ACCESS_GROUP_ROUTES,
  ...AGENT_ROUTES,
  ...AGENT_RUN_ROUTES,
  ...BACKUP_ROUTES,
  ...BACKUP_JOB_ROUTES,
  ...BACKUP_READ_ROUTES,
  ...BULK_ROUTES,
  ...CLOUD_INIT_ROUTES,
  ...CLUSTER_ROUTES,
  ...DOWNLOAD_ROUTES,
  ...FIREWALL_ROUTES,
  ...FIREWALL_SET_ROUTES,
  ...HA_ROUTES,
  ...LXC_ROUTES,
  ...METRIC_ROUTES,
  ...MIGRATE_ROUTES,
  ...MISC_ROUTES,
  ...NODE_ROUTES,
  ...NODE_NETWORK_ROUTES,
  ...NODE_SYSTEM_ROUTES,
  ...SDN_ROUTES,
  ...NOTIFICATION_ROUTES,
  ...POOL_ROUTES,
  ...REPLICATION_ROUTES,
  ...POWER_ROUTES,
  ...CLONE_ROUTES,
  ...CONFIG_ROUTES,
  ...CREATE_ROUTES,
  ...DESTROY_ROUTES,
  ...DISK_ROUTES,
  ...READ_ROUTES,
  ...SNAPSHOT_ROUTES,
  ...STORAGE_ROUTES,
  ...TASK_ROUTES,
};

/** Every kind of task. */
export const KINDS: Kinds = {
  ...BACKUP_KINDS,
  ...BACKUP_READ_KINDS,
  ...BULK_KINDS,
  ...DOWNLOAD_KINDS,
  ...LXC_KINDS,
  ...MIGRATE_KINDS,
  ...NODE_NETWORK_KINDS,
  ...NODE_SYSTEM_KINDS,
  ...SDN_KINDS,
  ...POWER_KINDS,
  ...CLONE_KINDS,
  ...CONFIG_KINDS,
  ...CREATE_KINDS,
  ...DESTROY_KINDS,
  ...DISK_KINDS,
  ...RESTORE_KINDS,
  ...SNAPSHOT_KINDS,
  ...STORAGE_KINDS,
};
