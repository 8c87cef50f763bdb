import * as z from 'zod';
import {
  bridgeName,
  cores,
  cpuType,
  description,
  diskGb,
  guestName,
  medium,
  memory,
  nodeName,
  poolName,
  severalNew,
  sockets,
  storageName,
  tags,
  vmid,
  waitFor,
} from '../../lib/schemas.ts';
import { cloudInit } from '../cloud-init/cloud-init.ts';

/** Parameters of `create_vm`. */
export const createInput = z.strictObject({
  name: guestName.optional(),
  ...severalNew,
  vmid: vmid.optional().describe('Next free one'),
  cores: cores.optional().describe('Default 2'),
  sockets: sockets.optional(),
  memory: memory.optional().describe('MiB; default 2048'),
  disk_gb: diskGb.optional().describe('GiB; default 32, or the size of image if larger'),
  storage: storageName.optional().describe("Default: the operator's, or the only one that fits"),
  ostype: z.enum(['other', 'wxp', 'w2k', 'w2k3', 'w2k8', 'wvista', 'win7', 'win8', 'win10', 'win11', 'l24', 'l26', 'solaris']).optional(),
  iso: medium.optional().describe('Volume or file name to install from'),
  image: medium.optional().describe('Disk image to boot from, likewise'),
  net_bridge: bridgeName.optional(),
  vlan: z.int().min(1).max(4094).optional(),
  cloud_init: cloudInit.optional(),
  scsihw: z.enum(['lsi', 'lsi53c810', 'virtio-scsi-pci', 'virtio-scsi-single', 'megasas', 'pvscsi']).optional(),
  cpu: cpuType.optional(),
  bios: z.enum(['seabios', 'ovmf']).optional(),
  node: nodeName.optional().describe("Default: the operator's, or the only one"),
  pool: poolName.optional(),
  tags: tags.optional(),
  description: description.optional(),
  onboot: z.boolean().optional(),
  protection: z.boolean().optional(),
  start_on_create: z.boolean().default(false),
  wait_for: waitFor,
});
export type CreateArgs = z.output<typeof createInput>;
/** The arguments for one guest. */
export type CreateOne = Omit<CreateArgs, 'name' | 'names' | 'ips'> & { name: string };
