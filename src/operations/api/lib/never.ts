import { methodsIn } from './methods.ts';

/** Methods of the API that no caller reaches through api_read and api_change, by reason. Reviewed for Proxmox VE 9.2. */
const LISTS: Readonly<Record<string, string>> = {
  'it runs commands on the node, or other methods past every check':
    'POST /nodes/{node}/execute, POST /nodes/{node}/qemu/{vmid}/monitor, POST /nodes/{node}/qemu/{vmid}/dbus-vmstate',
  'it opens a shell or a console': `
    POST /nodes/{node}/termproxy, POST /nodes/{node}/vncshell, POST /nodes/{node}/spiceshell, GET /nodes/{node}/vncwebsocket
    POST /nodes/{node}/{type}/{vmid}/termproxy, POST /nodes/{node}/{type}/{vmid}/vncproxy
    POST /nodes/{node}/{type}/{vmid}/spiceproxy, GET /nodes/{node}/{type}/{vmid}/vncwebsocket, PUT /nodes/{node}/qemu/{vmid}/sendkey
  `,
  'it opens a tunnel or moves a guest to another cluster with that cluster’s secret': `
    POST /nodes/{node}/{type}/{vmid}/mtunnel, GET /nodes/{node}/{type}/{vmid}/mtunnelwebsocket
    POST /nodes/{node}/{type}/{vmid}/remote_migrate
  `,
  'it gives a session ticket': 'GET POST /access/ticket, POST /access/vncticket, POST /access/openid/auth-url, POST /access/openid/login',
  'it reads or changes second factors': `
    GET /access/tfa, GET POST /access/tfa/{userid}, GET PUT DELETE /access/tfa/{userid}/{id}, GET /access/users/{userid}/tfa
    PUT /access/users/{userid}/unlock-tfa
  `,
  'its request takes a password, a token or a private key': `
    PUT /access/password, POST /access/users, PUT /access/users/{userid}, POST /access/domains, PUT /access/domains/{realm}
    POST /storage, PUT /storage/{storage}, POST /cluster/acme/account, POST /cluster/acme/plugins, PUT /cluster/acme/plugins/{id}
    POST PUT /cluster/metrics/server/{id}, POST /cluster/notifications/endpoints/gotify
    PUT /cluster/notifications/endpoints/gotify/{name}, POST /cluster/notifications/endpoints/smtp
    PUT /cluster/notifications/endpoints/smtp/{name}, POST /cluster/notifications/endpoints/webhook
    PUT /cluster/notifications/endpoints/webhook/{name}, POST /cluster/sdn/dns, PUT /cluster/sdn/dns/{dns}, POST /cluster/sdn/ipams
    PUT /cluster/sdn/ipams/{ipam}, POST /nodes/{node}/certificates/custom, POST /nodes/{node}/qemu/{vmid}/agent/set-user-password
    PUT /nodes/{node}/subscription, GET /nodes/{node}/scan/cifs, GET /nodes/{node}/scan/pbs
  `,
  'its answer may hold passwords, tokens or keys': `
    GET /access/domains/{realm}, GET /cluster/acme/account/{name}, GET /cluster/acme/plugins, GET /cluster/acme/plugins/{id}
    GET /cluster/metrics/server/{id}, GET /cluster/notifications/endpoints/webhook
    GET /cluster/notifications/endpoints/webhook/{name}, GET /cluster/sdn/dns, GET /cluster/sdn/dns/{dns}, GET /cluster/sdn/ipams
    GET /cluster/sdn/ipams/{ipam}, GET /nodes/{node}/ceph/cfg/db, GET /nodes/{node}/ceph/cfg/value
    GET /nodes/{node}/qemu/{vmid}/cloudinit/dump, GET /nodes/{node}/subscription, GET /nodes/{node}/vzdump/extractconfig
  `,
  'it makes, changes or removes API tokens': 'POST PUT DELETE /access/users/{userid}/token/{tokenid}',
  'it makes clusters or joins nodes to them':
    'GET POST /cluster/config/join, POST /cluster/config, POST DELETE /cluster/config/nodes/{node}',
  'it reads or writes inside a guest or its backups, where only a list of allowed commands and files may decide': `
    POST /nodes/{node}/qemu/{vmid}/agent, POST /nodes/{node}/qemu/{vmid}/agent/exec, GET /nodes/{node}/qemu/{vmid}/agent/exec-status
    GET /nodes/{node}/qemu/{vmid}/agent/file-read, POST /nodes/{node}/qemu/{vmid}/agent/file-write
    GET /nodes/{node}/storage/{storage}/file-restore/list, GET /nodes/{node}/storage/{storage}/file-restore/download
  `,
  'the node connects to an address that no list of allowed hosts checks': `
    GET /nodes/{node}/query-url-metadata, GET /nodes/{node}/query-oci-repo-tags, POST /nodes/{node}/storage/{storage}/download-url
    GET /nodes/{node}/scan/iscsi, GET /nodes/{node}/scan/nfs, GET /cluster/acme/meta, GET /cluster/acme/tos
    POST /nodes/{node}/storage/{storage}/oci-registry-pull
  `,
  'it takes the bytes of a file, which a tool call cannot carry': 'POST /nodes/{node}/storage/{storage}/upload',
  'it makes a guest or takes disk space that the quotas could not count': `
    POST /nodes/{node}/{type}, POST /nodes/{node}/{type}/{vmid}/clone, PUT /nodes/{node}/{type}/{vmid}/resize
    POST /nodes/{node}/qemu/{vmid}/move_disk, POST /nodes/{node}/lxc/{vmid}/move_volume
    POST /nodes/{node}/storage/{storage}/content, POST /nodes/{node}/storage/{storage}/content/{volume}
  `,
  'it removes disks without their volumes, which update_vm names': 'PUT /nodes/{node}/qemu/{vmid}/unlink',
  'it acts on many guests without a plan for each': `
    POST /cluster/bulk-action/guest/migrate, POST /cluster/bulk-action/guest/shutdown, POST /cluster/bulk-action/guest/start
    POST /cluster/bulk-action/guest/suspend, POST /nodes/{node}/migrateall, POST /nodes/{node}/startall, POST /nodes/{node}/stopall
    POST /nodes/{node}/suspendall
  `,
};

export const NEVER: ReadonlyMap<string, string> = new Map(
  Object.entries(LISTS).flatMap(([reason, text]) => methodsIn(text).map((one) => [one, reason] as const)),
);

/**
 * Keys of a guest's configuration that api_change never sets, besides those that tools set. Disks and mounts take space that quotas count. A
 * script or an argument of QEMU runs on the node. Locks and passwords are not settings.
 */
export const NEVER_KEYS: readonly string[] = [
  ...['ide[n]', 'sata[n]', 'scsi[n]', 'virtio[n]', 'unused[n]', 'efidisk0', 'tpmstate0', 'mp[n]', 'rootfs', 'import-working-storage'],
  ...['args', 'hookscript', 'cicustom', 'cipassword', 'lock', 'template', 'parent', 'skiplock', 'force'],
];
