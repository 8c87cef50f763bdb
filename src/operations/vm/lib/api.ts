import type { ApiChange, ApiRead } from '../../define.ts';

/** The list of guests; nodes complete what it does not show yet. */
export const LIST_READS: readonly ApiRead[] = ['GET /cluster/resources', 'GET /nodes/{node}/qemu', 'GET /nodes/{node}/lxc'];

/** One guest, VM or container. */
export const GUEST_READS: readonly ApiRead[] = ['GET /cluster/resources', ...bothReads('config', 'pending', 'snapshot', 'status/current')];

/** The same reads of VMs and of containers. */
export function bothReads(...paths: readonly string[]): ApiRead[] {
  return paths.flatMap((path) => [`GET /nodes/{node}/qemu/{vmid}/${path}` as const, `GET /nodes/{node}/lxc/{vmid}/${path}` as const]);
}

/** The same method for VMs and for containers. */
export function ofBoth(method: string, params: readonly string[] = []): Record<ApiChange, readonly string[]> {
  return Object.fromEntries(['qemu', 'lxc'].map((type) => [method.replace('{type}', type), params]));
}

/** CPUs and memory of nodes. */
export const NODE_READS: readonly ApiRead[] = ['GET /nodes', 'GET /nodes/{node}/status'];

/** Addresses of a running guest. */
export const ADDRESS_READS: readonly ApiRead[] = [
  'GET /nodes/{node}/qemu/{vmid}/agent/network-get-interfaces',
  'GET /nodes/{node}/lxc/{vmid}/interfaces',
];

/** Options and rules of a guest's firewall, and the names that its rules may use. */
export const FIREWALL_READS: readonly ApiRead[] = bothReads('firewall/options', 'firewall/rules');
export const FIREWALL_NAMES: readonly ApiRead[] = bothReads(
  ...['refs', 'aliases', 'ipset', 'ipset/{name}'].map((list) => `firewall/${list}`),
);

/** The backups on all storages. */
export const BACKUP_READS: readonly ApiRead[] = ['GET /nodes/{node}/storage', 'GET /nodes/{node}/storage/{storage}/content?content=backup'];

/** The parts of a guest that are shown on request. */
export const DETAIL_READS: readonly ApiRead[] = [
  ...FIREWALL_READS,
  ...FIREWALL_NAMES.filter((name) => !name.endsWith('/refs')),
  ...NODE_READS,
  ...BACKUP_READS,
];

/** A place for a new guest, and what it is made from. */
export const PLACE_READS: readonly ApiRead[] = [
  'GET /nodes/{node}/storage',
  'GET /nodes/{node}/storage/{storage}/content',
  'GET /nodes/{node}/network',
];

/** The volumes of a guest, and its backups. */
export const VOLUME_READS: readonly ApiRead[] = [...BACKUP_READS, 'GET /nodes/{node}/storage/{storage}/content?content=images'];

/** Parameters of cloud-init. */
export const CLOUD_INIT: readonly string[] = [
  ...['ciuser', 'cipassword', 'ciupgrade', 'sshkeys', 'nameserver', 'searchdomain'],
  ...Array.from({ length: 32 }, (_, index) => `ipconfig${index}`),
];
