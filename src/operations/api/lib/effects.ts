import type { Effect } from '../../../core/plan/effect.ts';
import { methodsIn } from './methods.ts';

type Changing = Exclude<Effect, 'read'>;

/** Methods that can be undone and interrupt no user. They only stage changes of SDN. */
const CHANGE = `
  POST /pools, POST /access/groups, POST /access/roles
  PUT DELETE /cluster/sdn/controllers/{controller}, PUT /cluster/sdn/fabrics/fabric/{id}, PUT /cluster/sdn/vnets/{vnet}
  PUT /cluster/sdn/fabrics/node/{fabric_id}/{node_id}, PUT /cluster/sdn/vnets/{vnet}/subnets/{subnet}, PUT /cluster/sdn/zones/{zone}
  POST /cluster/sdn/controllers, POST /cluster/sdn/fabrics/fabric, POST /cluster/sdn/fabrics/node/{fabric_id}, POST /cluster/sdn/vnets
  POST /cluster/sdn/vnets/{vnet}/subnets, POST /cluster/sdn/zones, POST /cluster/sdn/lock, POST /cluster/sdn/vnets/{vnet}/ips
  POST /cluster/firewall/aliases, POST /cluster/firewall/groups, POST /cluster/firewall/ipset
  POST /cluster/ha/groups, POST /cluster/qemu/custom-cpu-models, POST /cluster/notifications/matchers, POST /cluster/notifications/targets/{name}/test
  POST /cluster/notifications/endpoints/sendmail
  POST /cluster/replication, POST /nodes/{node}/replication/{id}/schedule_now
  POST /nodes/{node}/aplinfo, POST /nodes/{node}/apt/update, POST /nodes/{node}/subscription, POST /nodes/{node}/wakeonlan
  POST /nodes/{node}/ceph/osd/{osdid}/scrub, POST /nodes/{node}/ceph/start, POST /nodes/{node}/services/{service}/start
  POST /nodes/{node}/qemu/{vmid}/agent/fsfreeze-status, POST /nodes/{node}/qemu/{vmid}/agent/fsfreeze-thaw
  POST /nodes/{node}/qemu/{vmid}/agent/fstrim, POST /nodes/{node}/qemu/{vmid}/agent/ping
  PUT /nodes/{node}/qemu/{vmid}/cloudinit, PUT /nodes/{node}/{type}/{vmid}/snapshot/{snapname}/config
  POST /nodes/{node}/{type}/{vmid}/firewall/aliases, POST /nodes/{node}/{type}/{vmid}/firewall/ipset
  POST /nodes/{node}/{type}/{vmid}/snapshot, POST /nodes/{node}/{type}/{vmid}/status/start, POST /nodes/{node}/{type}/{vmid}/status/resume
`;

/**
 * Methods that interrupt a running service or a replication, change which traffic passes or whom an alert reaches. A node applies a staged change
 * of its networks at its next reboot.
 */
const DISRUPT = `
  PUT /cluster/sdn, POST /cluster/firewall/groups/{group}, PUT DELETE /cluster/firewall/groups/{group}/{pos}
  PUT /cluster/firewall/aliases/{name}, POST /cluster/firewall/ipset/{name}, PUT DELETE /cluster/firewall/ipset/{name}/{cidr}
  POST /cluster/firewall/rules, PUT DELETE /cluster/firewall/rules/{pos}
  PUT /cluster/sdn/vnets/{vnet}/firewall/options, POST /cluster/sdn/vnets/{vnet}/firewall/rules
  PUT DELETE /cluster/sdn/vnets/{vnet}/firewall/rules/{pos}, PUT DELETE /cluster/sdn/vnets/{vnet}/ips
  PUT /cluster/ha/groups/{group}, POST /cluster/ha/resources, POST /cluster/ha/resources/{sid}/migrate
  POST /cluster/ha/rules, PUT DELETE /cluster/ha/rules/{rule}, POST /cluster/ha/status/arm-ha
  PUT /cluster/replication/{id}, PUT /cluster/ceph/flags, PUT /cluster/ceph/flags/{flag}, POST /cluster/ceph/restart-bulk
  PUT /cluster/notifications/endpoints/sendmail/{name}, POST /nodes/{node}/network, PUT DELETE /nodes/{node}/network/{iface}
  PUT /cluster/notifications/matchers/{name}, PUT /cluster/qemu/custom-cpu-models/{cputype}
  POST PUT /nodes/{node}/certificates/acme/certificate, POST /nodes/{node}/ceph/osd/{osdid}/in
  POST /nodes/{node}/ceph/restart, POST /nodes/{node}/ceph/restart-bulk, POST /nodes/{node}/ceph/mds/{name}, POST /nodes/{node}/ceph/mgr/{id}
  PUT /nodes/{node}/config, PUT /nodes/{node}/dns, PUT /nodes/{node}/time
  POST /nodes/{node}/firewall/rules, PUT DELETE /nodes/{node}/firewall/rules/{pos}
  POST /nodes/{node}/services/{service}/reload, POST /nodes/{node}/services/{service}/restart
  POST PUT /nodes/{node}/qemu/{vmid}/config, PUT /nodes/{node}/lxc/{vmid}/config
  POST /nodes/{node}/qemu/{vmid}/agent/fsfreeze-freeze, POST /nodes/{node}/qemu/{vmid}/agent/shutdown
  POST /nodes/{node}/qemu/{vmid}/agent/suspend-disk, POST /nodes/{node}/qemu/{vmid}/agent/suspend-hybrid
  POST /nodes/{node}/qemu/{vmid}/agent/suspend-ram
  PUT DELETE /nodes/{node}/{type}/{vmid}/firewall/aliases/{name}, DELETE /nodes/{node}/{type}/{vmid}/firewall/ipset/{name}
  POST /nodes/{node}/{type}/{vmid}/firewall/ipset/{name}, PUT DELETE /nodes/{node}/{type}/{vmid}/firewall/ipset/{name}/{cidr}
  PUT /nodes/{node}/{type}/{vmid}/firewall/options, POST /nodes/{node}/{type}/{vmid}/firewall/rules
  PUT DELETE /nodes/{node}/{type}/{vmid}/firewall/rules/{pos}
  POST /nodes/{node}/{type}/{vmid}/migrate, POST /nodes/{node}/{type}/{vmid}/status/reboot, POST /nodes/{node}/qemu/{vmid}/status/reset
  POST /nodes/{node}/{type}/{vmid}/status/shutdown, POST /nodes/{node}/{type}/{vmid}/status/suspend
`;

/** Methods that lose data or protection, cannot be undone, cut power, can lock out the operator, or change rights. */
const DESTROY = `
  PUT /access/acl, DELETE /access/domains/{realm}, POST /access/domains/{realm}/sync, PUT DELETE /access/groups/{groupid}
  PUT DELETE /access/roles/{roleid}, DELETE /access/users/{userid}, PUT DELETE /pools, PUT DELETE /pools/{poolid}, DELETE /storage/{storage}
  DELETE /cluster/acme/plugins/{id}, POST /cluster/backup, PUT DELETE /cluster/backup/{id}
  DELETE /cluster/firewall/aliases/{name}, DELETE /cluster/firewall/groups/{group}, DELETE /cluster/firewall/ipset/{name}
  PUT /cluster/firewall/options, PUT /nodes/{node}/firewall/options, PUT /cluster/options
  DELETE /cluster/ha/groups/{group}, PUT DELETE /cluster/ha/resources/{sid}, POST /cluster/ha/resources/{sid}/relocate
  POST /cluster/ha/status/disarm-ha, POST PUT DELETE /cluster/jobs/realm-sync/{id}
  POST /cluster/mapping/dir, PUT DELETE /cluster/mapping/dir/{id}, POST /cluster/mapping/pci, PUT DELETE /cluster/mapping/pci/{id}
  POST /cluster/mapping/usb, PUT DELETE /cluster/mapping/usb/{id}, DELETE /cluster/metrics/server/{id}
  DELETE /cluster/notifications/endpoints/gotify/{name}, DELETE /cluster/notifications/endpoints/sendmail/{name}
  DELETE /cluster/notifications/endpoints/smtp/{name}, DELETE /cluster/notifications/endpoints/webhook/{name}
  DELETE /cluster/notifications/matchers/{name}, DELETE /cluster/qemu/custom-cpu-models/{cputype}, DELETE /cluster/replication/{id}
  DELETE /cluster/sdn/dns/{dns}, DELETE /cluster/sdn/fabrics/fabric/{id}, DELETE /cluster/sdn/fabrics/node/{fabric_id}/{node_id}
  DELETE /cluster/sdn/ipams/{ipam}, DELETE /cluster/sdn/lock, POST /cluster/sdn/rollback, DELETE /cluster/sdn/vnets/{vnet}
  DELETE /cluster/sdn/vnets/{vnet}/subnets/{subnet}, DELETE /cluster/sdn/zones/{zone}
  POST PUT /nodes/{node}/apt/repositories, DELETE POST /nodes/{node}/ceph/fs/{name}, POST /nodes/{node}/ceph/init
  DELETE /nodes/{node}/ceph/mds/{name}, DELETE /nodes/{node}/ceph/mgr/{id}, POST DELETE /nodes/{node}/ceph/mon/{monid}
  POST /nodes/{node}/ceph/osd, DELETE /nodes/{node}/ceph/osd/{osdid}, POST /nodes/{node}/ceph/osd/{osdid}/out, POST /nodes/{node}/ceph/pool
  PUT DELETE /nodes/{node}/ceph/pool/{name}, POST /nodes/{node}/ceph/stop
  DELETE /nodes/{node}/certificates/acme/certificate, DELETE /nodes/{node}/certificates/custom
  POST /nodes/{node}/disks/directory, DELETE /nodes/{node}/disks/directory/{name}, POST /nodes/{node}/disks/initgpt
  POST /nodes/{node}/disks/lvm, DELETE /nodes/{node}/disks/lvm/{name}, POST /nodes/{node}/disks/lvmthin, DELETE /nodes/{node}/disks/lvmthin/{name}
  PUT /nodes/{node}/disks/wipedisk, POST /nodes/{node}/disks/zfs, DELETE /nodes/{node}/disks/zfs/{name}
  POST /nodes/{node}/hosts, PUT DELETE /nodes/{node}/network, POST /nodes/{node}/status, POST /nodes/{node}/services/{service}/stop
  DELETE /nodes/{node}/storage/{storage}/content/{volume}, PUT /nodes/{node}/storage/{storage}/content/{volume}
  DELETE /nodes/{node}/storage/{storage}/prunebackups, DELETE /nodes/{node}/subscription, DELETE /nodes/{node}/tasks/{upid}
  POST /nodes/{node}/vzdump, DELETE /nodes/{node}/{type}/{vmid}
  DELETE /nodes/{node}/{type}/{vmid}/snapshot/{snapname}, POST /nodes/{node}/{type}/{vmid}/snapshot/{snapname}/rollback
  POST /nodes/{node}/{type}/{vmid}/status/stop, POST /nodes/{node}/{type}/{vmid}/template
`;

/** The effect of methods as api_change sends them. Reviewed for Proxmox VE 9.2. */
export const EFFECTS_BY_METHOD: ReadonlyMap<string, Changing> = new Map([
  ...methodsIn(CHANGE).map((name) => [name, 'change'] as const),
  ...methodsIn(DISRUPT).map((name) => [name, 'disrupt'] as const),
  ...methodsIn(DESTROY).map((name) => [name, 'destroy'] as const),
]);

/** A method that is not in the table counts as `destroy` until a human has reviewed it. */
export function effectOf(method: string): Changing {
  return EFFECTS_BY_METHOD.get(method) ?? 'destroy';
}
