import { apiTools } from './api/index.ts';
import { approve } from './approval/approve.ts';
import { deny } from './approval/deny.ts';
import { listApprovals } from './approval/list-approvals.ts';
import { backupVm } from './backup/backup-vm.ts';
import { listBackups } from './backup/list-backups.ts';
import { restoreBackup } from './backup/restore-backup.ts';
import { getCluster } from './cluster/get-cluster.ts';
import { getMetrics } from './cluster/get-metrics.ts';
import type { Operation } from './define.ts';
import { deleteSnapshot } from './snapshot/delete-snapshot.ts';
import { listSnapshots } from './snapshot/list-snapshots.ts';
import { rollbackSnapshot } from './snapshot/rollback-snapshot.ts';
import { snapshotVm } from './snapshot/snapshot-vm.ts';
import { deleteVolume } from './storage/delete-volume.ts';
import { downloadMedia } from './storage/download-media.ts';
import { getTask } from './task/get-task.ts';
import { cloneTemplate } from './vm/clone-template.ts';
import { convertToTemplate } from './vm/convert-to-template.ts';
import { createContainer } from './vm/create-container.ts';
import { createVm } from './vm/create-vm.ts';
import { deleteVm } from './vm/delete-vm.ts';
import { getVm } from './vm/get-vm.ts';
import { listVms } from './vm/list-vms.ts';
import { migrateVm } from './vm/migrate-vm.ts';
import { rebootVm } from './vm/reboot-vm.ts';
import { resumeVm } from './vm/resume-vm.ts';
import { runInGuest } from './vm/run-in-guest.ts';
import { setResources } from './vm/set-resources.ts';
import { startVm } from './vm/start-vm.ts';
import { stopVm } from './vm/stop-vm.ts';
import { suspendVm } from './vm/suspend-vm.ts';
import { updateFirewall } from './vm/update-firewall.ts';
import { updateVm } from './vm/update-vm.ts';

/** Operations of their own, in the order in which tools are listed. The only list. */
const tools: readonly Operation[] = [
  listVms,
  getVm,
  getCluster,
  getMetrics,
  createVm,
  cloneTemplate,
  createContainer,
  startVm,
  setResources,
  updateVm,
  updateFirewall,
  stopVm,
  rebootVm,
  suspendVm,
  resumeVm,
  migrateVm,
  convertToTemplate,
  runInGuest,
  deleteVm,
  listSnapshots,
  snapshotVm,
  rollbackSnapshot,
  deleteSnapshot,
  listBackups,
  backupVm,
  restoreBackup,
  downloadMedia,
  deleteVolume,
  approve,
  deny,
  listApprovals,
  getTask,
];

/** Every operation there is. */
export const operations: readonly Operation[] = [...tools, ...apiTools(tools)];
