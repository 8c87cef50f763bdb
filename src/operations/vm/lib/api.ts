import type { ApiChange, ApiRead } from '../../define.ts';

/** The list of guests; nodes complete what it does not show yet. */
export const LIST_READS: readonly ApiRead[] = ['GET /cluster/resources', 'GET /nodes/{node}/qemu', 'GET /nodes/{node}/lxc'];

/** One guest, VM or container. */
export const GUEST_READS: readonly ApiRead[] = [
  'GET /cluster/resources',
  'GET /nodes/{node}/qemu/{vmid}/config',
  'GET /nodes/{node}/lxc/{vmid}/config',
  'GET /nodes/{node}/qemu/{vmid}/pending',
  'GET /nodes/{node}/lxc/{vmid}/pending',
  'GET /nodes/{node}/qemu/{vmid}/snapshot',
  'GET /nodes/{node}/lxc/{vmid}/snapshot',
  'GET /nodes/{node}/qemu/{vmid}/status/current',
  'GET /nodes/{node}/lxc/{vmid}/status/current',
];

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
export const FIREWALL_READS: readonly ApiRead[] = ['options', 'rules'].flatMap((list) => [
  `GET /nodes/{node}/qemu/{vmid}/firewall/${list}` as const,
  `GET /nodes/{node}/lxc/{vmid}/firewall/${list}` as const,
]);
export const FIREWALL_NAMES: readonly ApiRead[] = ['refs', 'aliases', 'ipset', 'ipset/{name}'].flatMap((list) => [
  `GET /nodes/{node}/qemu/{vmid}/firewall/${list}` as const,
  `GET /nodes/{node}/lxc/{vmid}/firewall/${list}` as const,
]);

/** The parts of a guest that are shown where they are asked for. */
export const DETAIL_READS: readonly ApiRead[] = [
  ...FIREWALL_READS,
  ...FIREWALL_NAMES.filter((name) => !name.endsWith('/refs')),
  ...NODE_READS,
  'GET /nodes/{node}/storage',
  'GET /nodes/{node}/storage/{storage}/content?content=backup',
];

/** A place for a new guest, and what it is made from. */
export const PLACE_READS: readonly ApiRead[] = [
  'GET /nodes/{node}/storage',
  'GET /nodes/{node}/storage/{storage}/content',
  'GET /nodes/{node}/network',
];

/** The volumes of a guest, and its backups. */
export const VOLUME_READS: readonly ApiRead[] = [
  'GET /nodes/{node}/storage',
  'GET /nodes/{node}/storage/{storage}/content?content=images',
  'GET /nodes/{node}/storage/{storage}/content?content=backup',
];

/** Parameters of cloud-init. */
export const CLOUD_INIT: readonly string[] = [
  ...['ciuser', 'cipassword', 'ciupgrade', 'sshkeys', 'nameserver', 'searchdomain'],
  ...Array.from({ length: 32 }, (_, index) => `ipconfig${index}`),
];
