import * as z from 'zod';
import {
  cores,
  description,
  diskGb,
  guestName,
  memory,
  nodeName,
  poolName,
  severalNew,
  storageName,
  tags,
  vmid,
  waitFor,
} from '../../lib/schemas.ts';
import { cloudInit } from '../cloud-init/cloud-init.ts';

/** Parameters of `clone_template`. */
export const cloneInput = z.strictObject({
  source_vmid: vmid,
  vmid: vmid.optional(),
  name: guestName.optional(),
  ...severalNew,
  full_clone: z.boolean().optional().describe('Linked where possible'),
  storage: storageName.optional().describe('Creates a full clone'),
  target_node: nodeName.optional(),
  cloud_init: cloudInit.optional(),
  cores: cores.optional(),
  memory: memory.optional().describe('MiB'),
  disk_gb: diskGb.optional().describe('Grows the boot disk'),
  pool: poolName.optional(),
  tags: tags.optional(),
  description: description.optional(),
  start: z.boolean().default(false),
  wait_for: waitFor,
});
export type CloneArgs = z.output<typeof cloneInput>;
/** The arguments for one guest. */
export type CloneOne = Omit<CloneArgs, 'names' | 'ips'>;
