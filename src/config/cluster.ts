import { setting } from './described.ts';
import { endpoints, fingerprints, flag, folder, mediaHosts, quotaScope, text, tokenId, whole } from './values.ts';

/** One cluster: how it is reached, where new guests go and how much there may be. With several clusters each has its own values. */
export const clusterVariables = {
  PROXMOX_HOST: setting(endpoints.default([]), {
    section: 'Connection',
    description: 'Address of a node, or several of one cluster separated by commas. A pasted `https://host:8006/` is understood.',
    defaultText: 'none; required',
    example: '192.168.1.10',
    ceiling: 'fixed',
  }),
  PROXMOX_PORT: setting(whole(1, 65_535).default(8006), {
    section: 'Connection',
    description: 'API port of every host without a port of its own.',
    example: '8006',
    ceiling: 'fixed',
  }),
  PROXMOX_TOKEN_ID: setting(tokenId.optional(), {
    section: 'Connection',
    description: 'API token, as `user@realm!name`.',
    defaultText: 'none; required',
    example: 'mcp@pve!agent',
  }),
  PROXMOX_TOKEN_SECRET: setting(text.optional(), {
    section: 'Connection',
    description: 'Secret of the token, a UUID. Proxmox shows it once, when the token is created.',
    defaultText: 'none; required',
    example: '00000000-0000-0000-0000-000000000000',
    secret: true,
  }),
  PROXMOX_VERIFY_SSL: setting(flag.default(false), {
    field: 'connection.verifySsl',
    section: 'Connection',
    description:
      "Accept only certificates signed by an authority of the system or of `PROXMOX_CA_FILE`. When false, the cluster's own authority is pinned on first use and a changed one is rejected.",
    example: 'false',
    ceiling: 'true',
  }),
  PROXMOX_FINGERPRINT: setting(fingerprints.default([]), {
    field: 'connection.fingerprints',
    section: 'Connection',
    description: 'SHA-256 fingerprint of the certificate to accept, or several separated by commas. Nothing else is accepted then.',
    defaultText: 'none',
    example: 'AA:BB:…',
    ceiling: 'fixed',
  }),
  PROXMOX_CA_FILE: setting(folder.optional(), {
    field: 'connection.caFile',
    section: 'Connection',
    description: "PEM file with the authority that signs the nodes' certificates (`/etc/pve/pve-root-ca.pem` on a node).",
    defaultText: 'none',
    example: '~/.config/proxmox-mcp/pve-root-ca.pem',
    ceiling: 'fixed',
  }),

  PROXMOX_NODE: setting(text.optional(), {
    section: 'Placement',
    description: 'Node for new guests when the caller names none. Existing guests are found on any node.',
    defaultText: 'pve; if no node has that name, the only online one',
    example: 'pve',
  }),
  PROXMOX_STORAGE: setting(text.optional(), {
    field: 'defaults.storage',
    section: 'Placement',
    description: 'Storage for the disks of new guests when the caller names none.',
    defaultText: 'the only one that fits; several are an error that lists them',
    example: 'local-lvm',
  }),
  PROXMOX_POOL: setting(text.optional(), {
    field: 'defaults.pool',
    section: 'Placement',
    description: 'Pool that new guests join.',
    defaultText: 'none',
    example: 'agents',
  }),

  PROXMOX_MAX_CPU: setting(whole(1, 8192).default(16), {
    field: 'limits.maxCpu',
    section: 'Limits',
    description: 'vCPUs of one guest: sockets × cores.',
    example: '16',
    ceiling: 'lower',
  }),
  PROXMOX_MAX_RAM_MB: setting(whole(16, 67_108_864).default(32_768), {
    field: 'limits.maxRamMib',
    section: 'Limits',
    description: 'Memory of one guest in MiB.',
    example: '32768',
    ceiling: 'lower',
  }),
  PROXMOX_MAX_DISK_GB: setting(whole(1, 1_048_576).default(500), {
    field: 'limits.maxDiskGib',
    section: 'Limits',
    description: 'All disks of one guest together, in GiB.',
    example: '500',
    ceiling: 'lower',
  }),
  PROXMOX_MAX_VMS: setting(whole(0, 1_000_000).default(50), {
    field: 'limits.maxVms',
    section: 'Limits',
    description: 'Number of guests in the scope. Templates do not count. With 0 nothing can be created.',
    example: '50',
    ceiling: 'lower',
  }),
  PROXMOX_MAX_TOTAL_CPU: setting(whole(1, 1_000_000).optional(), {
    field: 'limits.maxTotalCpu',
    section: 'Limits',
    description: 'vCPUs of all guests in the scope together.',
    defaultText: 'no limit',
    example: '64',
    ceiling: 'lower',
  }),
  PROXMOX_MAX_TOTAL_RAM_MB: setting(whole(16, 1_000_000_000).optional(), {
    field: 'limits.maxTotalRamMib',
    section: 'Limits',
    description: 'Memory of all guests in the scope together, in MiB.',
    defaultText: 'no limit',
    example: '131072',
    ceiling: 'lower',
  }),
  PROXMOX_MAX_TOTAL_DISK_GB: setting(whole(1, 1_000_000_000).optional(), {
    field: 'limits.maxTotalDiskGib',
    section: 'Limits',
    description: 'Disks of all guests in the scope together, in GiB.',
    defaultText: 'no limit',
    example: '4000',
    ceiling: 'lower',
  }),
  PROXMOX_QUOTA_SCOPE: setting(quotaScope.default({ kind: 'visible' }), {
    field: 'limits.scope',
    section: 'Limits',
    description:
      'Guests that count: `visible` (all that the token sees), `created` (through this server), `pool:NAME` or `tag:NAME`. With a pool or tag, new guests must join it.',
    defaultText: 'visible',
    example: 'visible',
    ceiling: 'fixed',
  }),
  PROXMOX_MEDIA_HOSTS: setting(mediaHosts.default([]), {
    field: 'limits.mediaHosts',
    section: 'Limits',
    description:
      'Hosts from which `download_media` may let a node fetch a file, separated by commas; `*.example.org` is every name below example.org. The node follows redirects to other hosts, so name only hosts that you trust.',
    defaultText: 'none; nothing can be downloaded',
    example: 'cloud.debian.org,*.ubuntu.com',
    ceiling: 'fixed',
  }),
};
