import { X509Certificate } from 'node:crypto';
import { asError } from '../core/errors.ts';
import type { ProxmoxReader, ProxmoxVersion } from '../core/proxmox.ts';
import type { Settings } from '../core/settings.ts';
import { counted } from '../core/text.ts';
import { diskSums, usage } from '../engine/quota.ts';
import { type GuestRow, listGuests } from '../proxmox/guests.ts';
import type { Missing } from '../proxmox/privileges.ts';
import { caFault, inspectTls, isPrivateAddress, readCa, type ShownCertificate, sameFingerprint } from '../proxmox/tls.ts';
import type { Pin } from '../proxmox/trust-store.ts';
import type { Check } from './doctor-local.ts';
import { type Granted, lacks, OPERATION_RIGHTS } from './rights.ts';

/** Looks at the certificate of every endpoint without sending anything. */
export async function certificates(settings: Settings, pin: Pin | undefined): Promise<Check[]> {
  return Promise.all(
    settings.connection.endpoints.map(async (endpoint): Promise<Check> => {
      const name = `certificate of ${endpoint.host}:${endpoint.port}`;
      try {
        const shown = await inspectTls(endpoint);
        return { name, ...judge(shown, endpoint.host, settings, pin) };
      } catch (error) {
        return { name, state: 'fail', text: asError(error).message, next: asError(error).hint };
      }
    }),
  );
}

/** The same order as the adapter's: fingerprint or CA, the system's authorities, the pin, first use. */
function judge(shown: ShownCertificate, host: string, { connection, demo }: Settings, pin: Pin | undefined): Omit<Check, 'name'> {
  const print = `SHA-256 ${shown.fingerprint}, valid to ${shown.validTo}`;
  if (demo) return { state: 'ok', text: 'the embedded cluster' };
  const leaf = new X509Certificate(shown.chainPem[0] ?? '');
  if (connection.fingerprints.length > 0 || connection.caFile !== undefined) {
    const ca = readCa(connection);
    const fits =
      connection.fingerprints.some((one) => sameFingerprint(one, shown.fingerprint)) ||
      (ca !== undefined && caFault(leaf, host, ca) === undefined);
    return fits
      ? { state: 'ok', text: `${print}; fits PROXMOX_FINGERPRINT or PROXMOX_CA_FILE` }
      : {
          state: 'fail',
          text: `${print}; does not fit PROXMOX_FINGERPRINT or PROXMOX_CA_FILE`,
          next: 'Compare it on the node and correct the setting.',
        };
  }
  if (shown.authorized) return { state: 'ok', text: `${print}; the system's authorities vouch for it` };
  if (connection.verifySsl)
    return {
      state: 'fail',
      text: `${print}; no authority of the system vouches for it`,
      next: 'Set PROXMOX_CA_FILE or PROXMOX_FINGERPRINT.',
    };
  const next = 'Compare the fingerprint with the one on the node, then: proxmox-mcp trust';
  if (pin) {
    const fits =
      pin.kind === 'ca'
        ? caFault(leaf, host, pin.pem) === undefined
        : pin.fingerprints.some((one) => sameFingerprint(one, shown.fingerprint));
    const what = pin.kind === 'ca' ? "the cluster's authority" : 'the certificate';
    return fits
      ? { state: 'ok', text: `${print}; ${what} is pinned since ${pin.since}` }
      : { state: 'fail', text: `${print}; does not fit what is pinned since ${pin.since}`, next };
  }
  if (isPrivateAddress(shown.address)) return { state: 'warn', text: `${print}; not pinned yet, it will be at first use`, next };
  return { state: 'fail', text: `${print}; nothing vouches for it, and it is not in a private network`, next };
}

/** What the token may do, operation by operation. */
export interface Abilities {
  checks: Check[];
  can: string[];
}

export async function abilities(api: ProxmoxReader, version: ProxmoxVersion, settings: Settings): Promise<Abilities> {
  const granted = await api.get<Granted>('/access/permissions');
  const { pool, storage, node } = settings.defaults;
  const suggest = {
    guests: pool ? `/pool/${pool}` : '/vms',
    storages: storage ? `/storage/${storage}` : '/storage',
    bridges: '/sdn/zones/localnetwork',
    nodes: `/nodes/${node}`,
  };
  const operations = Object.entries(OPERATION_RIGHTS).map(([name, rights]) => ({
    name,
    missing: lacks(rights, granted, suggest, version.major),
  }));
  const refused = operations.filter((operation) => operation.missing.length > 0);
  const can = operations.filter((operation) => operation.missing.length === 0).map((operation) => operation.name);
  if (refused.length === 0)
    return { can, checks: [{ name: 'rights', state: 'ok', text: `the token may do all ${operations.length} operations` }] };
  const state = can.length === 0 ? 'fail' : 'warn';
  const all = refused.flatMap((operation) => operation.missing);
  return {
    can,
    checks: [
      {
        name: 'rights',
        state,
        text: `the token lacks rights for ${refused.map((operation) => operation.name).join(', ')}`,
        next: `As root on a node:\n${rolesAndGrants(all, settings.connection.tokenId).join('\n')}`,
      },
      ...refused.map(
        ({ name, missing }): Check => ({
          name: `rights for ${name}`,
          state,
          text: `missing: ${missing.map((m) => `${m.privileges.join(' or ')} on ${m.path}`).join(', ')}`,
        }),
      ),
    ],
  };
}

/** One role and one grant for each path. A privilege-separated token needs the grant for its user too. */
function rolesAndGrants(missing: Missing[], tokenId: string): string[] {
  return [...new Set(missing.map((m) => m.path))].flatMap((path) => {
    const privileges = [...new Set(missing.filter((m) => m.path === path).map((m) => m.privileges[0]))].join(' ');
    const word = path.split('/')[1] ?? '';
    const role = `Mcp${word.charAt(0).toUpperCase()}${word.slice(1)}`;
    return [
      `pveum role add ${role} --privs '${privileges}'`,
      `pveum acl modify ${path} --users ${tokenId.split('!')[0]} --tokens '${tokenId}' --roles ${role}`,
    ];
  });
}

/** Limits against what exists: a limit that is reached already is found here, not by the first refused call. */
export async function quotas(api: ProxmoxReader, settings: Settings): Promise<Check[]> {
  const { limits } = settings;
  const guests = await listGuests(api);
  if (limits.scope.kind === 'created')
    return [{ name: 'limits', state: 'ok', text: `at most ${limits.maxVms} guests made through this server` }];
  const used = usage(guests, [], limits, new Set(), limits.maxTotalDiskGib === undefined ? undefined : await diskSums(api));
  const rows = [
    { what: 'guests', used: used.guests, limit: limits.maxVms, variable: 'PROXMOX_MAX_VMS' },
    { what: 'vCPUs', used: used.cpu, limit: limits.maxTotalCpu, variable: 'PROXMOX_MAX_TOTAL_CPU' },
    { what: 'MiB of memory', used: used.memoryMib, limit: limits.maxTotalRamMib, variable: 'PROXMOX_MAX_TOTAL_RAM_MB' },
    { what: 'GiB of disk', used: Math.ceil(used.diskGib), limit: limits.maxTotalDiskGib, variable: 'PROXMOX_MAX_TOTAL_DISK_GB' },
  ];
  return rows
    .filter((row) => row.limit !== undefined)
    .map(
      ({ what, used, limit = 0, variable }): Check =>
        used < limit
          ? { name: 'limits', state: 'ok', text: `${used} of ${limit} ${what} in use (${variable})` }
          : {
              name: 'limits',
              state: 'warn',
              text: `${used} ${what} exist, limit ${limit}: nothing can be created`,
              next: `${variable}=${Math.ceil(used * 1.25) + 1}`,
            },
    );
}

/** Whether there is something to make a guest from, and somewhere to put it. */
export async function material(api: ProxmoxReader, settings: Settings): Promise<Check[]> {
  const nodes = (await api.get<{ node: string; status?: string; maxcpu?: number; maxmem?: number }[]>('/nodes')).filter(
    (n) => n.status !== 'offline',
  );
  const named = nodes.find((n) => n.node === settings.defaults.node);
  const node = named ?? (nodes.length === 1 && !settings.defaults.nodeIsExplicit ? nodes[0] : undefined);
  if (!node) {
    const names = nodes.map((n) => n.node).join(', ');
    return [
      {
        name: 'node',
        state: 'warn',
        text: `there is no node ${settings.defaults.node} online; there are: ${names}`,
        next: `PROXMOX_NODE=${nodes[0]?.node ?? '…'}`,
      },
    ];
  }
  const at = `/nodes/${encodeURIComponent(node.node)}`;
  const [storages, bridges, guests] = await Promise.all([
    api.get<{ storage: string; content?: string; active?: number; enabled?: number; avail?: number }[]>(`${at}/storage`),
    api.get<{ iface: string }[]>(`${at}/network`, { type: 'any_bridge' }),
    listGuests(api),
  ]);
  const takes = (content: string) => storages.filter((s) => s.active !== 0 && s.enabled !== 0 && s.content?.split(',').includes(content));
  const disks = takes('images').map((s) => `${s.storage} (${Math.floor((s.avail ?? 0) / 2 ** 30)} GiB free)`);
  const sources = await bootSources(
    api,
    at,
    takes('iso').map((s) => s.storage),
    takes('import').map((s) => s.storage),
    guests,
  );
  return [
    tooSmall(node, settings),
    disks.length > 0
      ? { name: 'storage', state: 'ok', text: `for disks: ${disks.join(', ')}` }
      : {
          name: 'storage',
          state: 'warn',
          text: `no visible storage on ${node.node} takes disks`,
          next: 'Add the content type "Disk image" to a storage, or Datastore.Audit on one to the token.',
        },
    bridges.length > 0
      ? { name: 'network', state: 'ok', text: `bridges: ${bridges.map((b) => b.iface).join(', ')}` }
      : {
          name: 'network',
          state: 'warn',
          text: `no visible bridge on ${node.node}`,
          next: 'Create one on the node, or grant SDN.Use on /sdn/zones/localnetwork to the token.',
        },
    sources.length > 0
      ? { name: 'to install from', state: 'ok', text: sources.join(', ') }
      : {
          name: 'to install from',
          state: 'warn',
          text: 'no template, ISO or image is visible',
          next: 'Upload an ISO or a cloud image to a storage, or make a template.',
        },
  ];
}

function tooSmall(node: { node: string; maxcpu?: number }, { limits }: Settings): Check {
  const cpus = node.maxcpu;
  if (cpus === undefined || cpus >= 2)
    return {
      name: 'node',
      state: 'ok',
      text: `new guests go to ${node.node}${cpus === undefined ? '' : ` (${cpus} CPUs; at most ${Math.min(cpus, limits.maxCpu)} for one guest)`}`,
    };
  return {
    name: 'node',
    state: 'warn',
    text: `${node.node} has ${cpus} CPU, and a guest gets 2 unless told otherwise`,
    next: 'Pass cores: 1, or choose another node.',
  };
}

async function bootSources(api: ProxmoxReader, at: string, isos: string[], imports: string[], guests: GuestRow[]): Promise<string[]> {
  const count = async (storages: string[], content: string) => {
    const lists = await Promise.all(
      storages.map((s) => api.get<unknown[]>(`${at}/storage/${encodeURIComponent(s)}/content`, { content }).catch(() => [])),
    );
    return lists.flat().length;
  };
  const [isoCount, imageCount] = await Promise.all([count(isos, 'iso'), count(imports, 'import')]);
  const counts = [
    [guests.filter((g) => g.template).length, 'template'],
    [isoCount, 'ISO'],
    [imageCount, 'image'],
  ] as const;
  return counts.filter(([n]) => n > 0).map(([n, what]) => counted(n, what));
}
