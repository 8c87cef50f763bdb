import type { Routes } from '../context.ts';
import type { Kinds } from '../tasks.ts';
import { CLUSTER_ROUTES } from './cluster.ts';
import { NODE_ROUTES } from './nodes.ts';
import { POWER_KINDS, POWER_ROUTES } from './power.ts';
import { READ_ROUTES } from './qemu-read.ts';
import { SNAPSHOT_KINDS, SNAPSHOT_ROUTES } from './snapshots.ts';
import { TASK_ROUTES } from './tasks.ts';

/** Every endpoint that is simulated. */
export const ROUTES: Routes = {
  ...CLUSTER_ROUTES,
  ...NODE_ROUTES,
  ...POWER_ROUTES,
  ...READ_ROUTES,
  ...SNAPSHOT_ROUTES,
  ...TASK_ROUTES,
};

/** Every kind of task. */
export const KINDS: Kinds = { ...POWER_KINDS, ...SNAPSHOT_KINDS };
