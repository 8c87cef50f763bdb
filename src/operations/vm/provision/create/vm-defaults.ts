import type { ProxmoxVersion } from '../../../../core/proxmox.ts';

/** The defaults of a new VM; every plan shows them. Proxmox's own defaults are smaller and slower than usual today. */
export const DEFAULTS = {
  cores: 2,
  sockets: 1,
  memoryMib: 2048,
  diskGib: 32,
  scsihw: 'virtio-scsi-single',
  ostype: 'l26',
  ipconfig0: 'ip=dhcp',
} as const;

/** Proxmox's own default (kvm64 at the API) does not boot current distributions; 7.x knows nothing better that runs on any node. */
export function defaultCpu(version: ProxmoxVersion): string {
  return version.major >= 8 ? 'x86-64-v2-AES' : 'kvm64';
}
