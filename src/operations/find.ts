import type { Operation } from './define.ts';
import { FORMER_NAMES } from './former-names.ts';

/** The tools of `index.ts` by name, in its order. A call loads the code of its own operation: all of them take as long as the rest of a start. */
const TOOLS: Readonly<Record<string, () => Promise<Operation>>> = {
  list_vms: async () => (await import('./vm/list-vms.ts')).listVms,
  get_vm: async () => (await import('./vm/get-vm.ts')).getVm,
  get_cluster: async () => (await import('./cluster/get-cluster.ts')).getCluster,
  get_metrics: async () => (await import('./cluster/get-metrics.ts')).getMetrics,
  create_vm: async () => (await import('./vm/create-vm.ts')).createVm,
  clone_template: async () => (await import('./vm/clone-template.ts')).cloneTemplate,
  create_container: async () => (await import('./vm/create-container.ts')).createContainer,
  start_vm: async () => (await import('./vm/start-vm.ts')).startVm,
  set_resources: async () => (await import('./vm/set-resources.ts')).setResources,
  update_vm: async () => (await import('./vm/update-vm.ts')).updateVm,
  update_firewall: async () => (await import('./vm/update-firewall.ts')).updateFirewall,
  stop_vm: async () => (await import('./vm/stop-vm.ts')).stopVm,
  reboot_vm: async () => (await import('./vm/reboot-vm.ts')).rebootVm,
  suspend_vm: async () => (await import('./vm/suspend-vm.ts')).suspendVm,
  resume_vm: async () => (await import('./vm/resume-vm.ts')).resumeVm,
  migrate_vm: async () => (await import('./vm/migrate-vm.ts')).migrateVm,
  convert_to_template: async () => (await import('./vm/convert-to-template.ts')).convertToTemplate,
  run_in_guest: async () => (await import('./vm/run-in-guest.ts')).runInGuest,
  delete_vm: async () => (await import('./vm/delete-vm.ts')).deleteVm,
  list_snapshots: async () => (await import('./snapshot/list-snapshots.ts')).listSnapshots,
  snapshot_vm: async () => (await import('./snapshot/snapshot-vm.ts')).snapshotVm,
  rollback_snapshot: async () => (await import('./snapshot/rollback-snapshot.ts')).rollbackSnapshot,
  delete_snapshot: async () => (await import('./snapshot/delete-snapshot.ts')).deleteSnapshot,
  list_backups: async () => (await import('./backup/list-backups.ts')).listBackups,
  backup_vm: async () => (await import('./backup/backup-vm.ts')).backupVm,
  restore_backup: async () => (await import('./backup/restore-backup.ts')).restoreBackup,
  download_media: async () => (await import('./storage/download-media.ts')).downloadMedia,
  delete_volume: async () => (await import('./storage/delete-volume.ts')).deleteVolume,
  approve: async () => (await import('./approval/approve.ts')).approve,
  deny: async () => (await import('./approval/deny.ts')).deny,
  list_approvals: async () => (await import('./approval/list-approvals.ts')).listApprovals,
  get_task: async () => (await import('./task/get-task.ts')).getTask,
};
/** They know all others, so `index.ts` makes them. */
const API_TOOLS = ['api_search', 'api_read', 'api_change'];

/** The names of all operations. */
export const operationNames: readonly string[] = [...Object.keys(TOOLS), ...API_TOOLS];

/** The name of the operation that this name or former name means; undefined for any other text. */
export function nameOfOperation(name: string): string | undefined {
  const present = FORMER_NAMES.get(name) ?? name;
  return operationNames.includes(present) ? present : undefined;
}

/** Operations whose code is loaded, by every name that was asked for: a server asks three times a call. */
const loaded = new Map<string, Operation>();

/** By its name or a former one. */
export async function findOperation(name: string): Promise<Operation | undefined> {
  const known = loaded.get(name);
  if (known) return known;
  const present = nameOfOperation(name);
  if (present === undefined) return undefined;
  const operation = await (TOOLS[present]?.() ?? import('./index.ts').then((all) => all.findOperation(present)));
  if (operation) loaded.set(name, operation);
  return operation;
}
