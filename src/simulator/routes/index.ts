import type { Routes } from '../context.ts';
import type { Kinds } from '../tasks.ts';
import { CLUSTER_ROUTES } from './cluster.ts';
import { NODE_ROUTES } from './nodes.ts';
import { POWER_KINDS, POWER_ROUTES } from './power.ts';
import { CLONE_KINDS, CLONE_ROUTES } from './qemu-clone.ts';
import { CONFIG_KINDS, CONFIG_ROUTES } from './qemu-config.ts';
import { CREATE_KINDS, CREATE_ROUTES } from './qemu-create.ts';
import { DESTROY_KINDS, DESTROY_ROUTES } from './qemu-destroy.ts';
import { DISK_KINDS, DISK_ROUTES } from './qemu-disk.ts';
import { READ_ROUTES } from './qemu-read.ts';
import { RESTORE_KINDS } from './restore.ts';
import { SNAPSHOT_KINDS, SNAPSHOT_ROUTES } from './snapshots.ts';
import { STORAGE_KINDS, STORAGE_ROUTES } from './storage.ts';
import { TASK_ROUTES } from './tasks.ts';

/** Every endpoint that is simulated. */
export const ROUTES: Routes = {
  ...CLONE_ROUTES,
  ...CLUSTER_ROUTES,
  ...CONFIG_ROUTES,
  ...CREATE_ROUTES,
  ...DESTROY_ROUTES,
  ...DISK_ROUTES,
  ...NODE_ROUTES,
  ...POWER_ROUTES,
  ...READ_ROUTES,
  ...SNAPSHOT_ROUTES,
  ...STORAGE_ROUTES,
  ...TASK_ROUTES,
};

/** Every kind of task. */
export const KINDS: Kinds = {
  ...CLONE_KINDS,
  ...CONFIG_KINDS,
  ...CREATE_KINDS,
  ...DESTROY_KINDS,
  ...DISK_KINDS,
  ...POWER_KINDS,
  ...RESTORE_KINDS,
  ...SNAPSHOT_KINDS,
  ...STORAGE_KINDS,
};
