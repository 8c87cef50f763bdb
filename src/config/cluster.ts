import { section } from './described.ts';
import { endpoints, fingerprints, flag, folder, mediaHosts, quotaScope, text, tokenId, whole } from './values.ts';

const connection = section('Connection');
const placement = section('Placement');
const limit = section('Limits');

/** One cluster: how it is reached, where new guests go and how much there may be. With several clusters each has its own values. */
export const clusterVariables = {
  PROXMOX_HOST: connection(endpoints.default([]), {
    description: 'Address of a node, or several of one cluster separated by commas. A pasted `https://host:8006/` is understood.',
    defaultText: 'none; required',
    example: '192.168.1.10',
    ceiling: 'fixed',
  }),
  PROXMOX_PORT: connection(whole(1, 65_535).default(8006), {
    description: 'API port of every host without a port of its own.',
    ceiling: 'fixed',
  }),
  PROXMOX_TOKEN_ID: connection(tokenId.optional(), {
    description: 'API token, as `user@realm!name`.',
    defaultText: 'none; required',
    example: 'mcp@pve!agent',
  }),
  PROXMOX_TOKEN_SECRET: connection(text.optional(), {
    description: 'Secret of the token, a UUID. Proxmox shows it once, when the token is created.',
    defaultText: 'none; required',
    example: '00000000-0000-0000-0000-000000000000',
    secret: true,
  }),
  PROXMOX_VERIFY_SSL: connection(flag.default(false), {
    field: 'connection.verifySsl',
    description:
      "Accept only certificates signed by an authority of the system or of `PROXMOX_CA_FILE`. When false, the cluster's own authority is pinned on first use and a changed one is rejected.",
    ceiling: 'true',
  }),
  PROXMOX_FINGERPRINT: connection(fingerprints.default([]), {
    field: 'connection.fingerprints',
    description: 'SHA-256 fingerprint of the certificate to accept, or several separated by commas. Nothing else is accepted then.',
    example: 'AA:BB:…',
    ceiling: 'fixed',
  }),
  PROXMOX_CA_FILE: connection(folder.optional(), {
    field: 'connection.caFile',
    description: "PEM file with the authority that signs the nodes' certificates (`/etc/pve/pve-root-ca.pem` on a node).",
    example: '~/.config/proxmox-mcp/pve-root-ca.pem',
    ceiling: 'fixed',
  }),

  PROXMOX_NODE: placement(text.optional(), {
    description: 'Node for new guests when the caller names none. Existing guests are found on any node.',
    defaultText: 'pve; if no node has that name, the only online one',
    example: 'pve',
  }),
  PROXMOX_STORAGE: placement(text.optional(), {
    field: 'defaults.storage',
    description: 'Storage for the disks of new guests when the caller names none.',
    defaultText: 'the only one that fits; several are an error that lists them',
    example: 'local-lvm',
  }),
  PROXMOX_POOL: placement(text.optional(), {
    field: 'defaults.pool',
    description: 'Pool that new guests join.',
    example: 'agents',
  }),

  PROXMOX_MAX_CPU: limit(whole(1, 8192).default(16), {
    field: 'limits.maxCpu',
    description: 'vCPUs of one guest: sockets × cores.',
    ceiling: 'lower',
  }),
  PROXMOX_MAX_RAM_MB: limit(whole(16, 67_108_864).default(32_768), {
    field: 'limits.maxRamMib',
    description: 'Memory of one guest in MiB.',
    ceiling: 'lower',
  }),
  PROXMOX_MAX_DISK_GB: limit(whole(1, 1_048_576).default(500), {
    field: 'limits.maxDiskGib',
    description: 'All disks of one guest together, in GiB.',
    ceiling: 'lower',
  }),
  PROXMOX_MAX_VMS: limit(whole(0, 1_000_000).default(50), {
    field: 'limits.maxVms',
    description: 'Number of guests in the scope. Templates do not count. With 0 nothing can be created.',
    ceiling: 'lower',
  }),
  PROXMOX_MAX_TOTAL_CPU: limit(whole(1, 1_000_000).optional(), {
    field: 'limits.maxTotalCpu',
    description: 'vCPUs of all guests in the scope together.',
    defaultText: 'no limit',
    example: '64',
    ceiling: 'lower',
  }),
  PROXMOX_MAX_TOTAL_RAM_MB: limit(whole(16, 1_000_000_000).optional(), {
    field: 'limits.maxTotalRamMib',
    description: 'Memory of all guests in the scope together, in MiB.',
    defaultText: 'no limit',
    example: '131072',
    ceiling: 'lower',
  }),
  PROXMOX_MAX_TOTAL_DISK_GB: limit(whole(1, 1_000_000_000).optional(), {
    field: 'limits.maxTotalDiskGib',
    description: 'Disks of all guests in the scope together, in GiB.',
    defaultText: 'no limit',
    example: '4000',
    ceiling: 'lower',
  }),
  PROXMOX_QUOTA_SCOPE: limit(quotaScope.default({ kind: 'visible' }), {
    field: 'limits.scope',
    description:
      'Guests that count: `visible` (all that the token sees), `created` (through this server), `pool:NAME` or `tag:NAME`. With a pool or tag, new guests must join it, and guests in it stay.',
    defaultText: 'visible',
    example: 'visible',
    ceiling: 'fixed',
  }),
  PROXMOX_MEDIA_HOSTS: limit(mediaHosts.default([]), {
    field: 'limits.mediaHosts',
    description:
      'Hosts from which `download_media` may let a node fetch a file, separated by commas; `*.example.org` is every name below example.org. The node follows redirects to other hosts, so name only hosts that you trust.',
    defaultText: 'none; nothing can be downloaded',
    example: 'cloud.debian.org,*.ubuntu.com',
    ceiling: 'fixed',
  }),
};
