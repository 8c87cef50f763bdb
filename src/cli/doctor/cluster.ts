import { X509Certificate } from 'node:crypto';
import { isPrivate } from '../../core/network.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import type { Quotas } from '../../core/settings/limits.ts';
import { plain } from '../../core/settings/limits.ts';
import { nameIn, type Settings } from '../../core/settings/settings.ts';
import { counted } from '../../core/text/text.ts';
import { currentGuests } from '../../proxmox/guest/fresh.ts';
import { listBridges, listNodes, type NodeRow } from '../../proxmox/nodes.ts';
import { listStorages, listVolumes } from '../../proxmox/storage.ts';
import { caFault, pinFault, readCa, sameFingerprint } from '../../proxmox/trust/certificate.ts';
import { inspectTls } from '../../proxmox/trust/inspect.ts';
import type { Pin } from '../../proxmox/trust/store.ts';
import type { Endpoint } from '../../proxmox/trust/tls.ts';
import { type Check, failed, faultOf, ok, warn } from './check.ts';

/** Looks at the certificate of every endpoint without sending anything. */
export async function certificates(settings: Settings, pin: Pin | undefined): Promise<Check[]> {
  return Promise.all(
    settings.connection.endpoints.map((endpoint) => {
      const name = `certificate of ${endpoint.host}:${endpoint.port}`;
      return certificateCheck(name, endpoint, settings, pin).catch((thrown: unknown) => faultOf(name, thrown));
    }),
  );
}

/** The same order as the adapter's: fingerprint or CA, the system's authorities, the pin, first use. */
async function certificateCheck(name: string, endpoint: Endpoint, { connection, demo }: Settings, pin: Pin | undefined): Promise<Check> {
  const { host } = endpoint;
  const shown = await inspectTls(endpoint);
  const print = `SHA-256 ${shown.fingerprint}, valid to ${shown.validTo}`;
  if (demo) return ok(name, 'the embedded cluster');
  const leaf = new X509Certificate(shown.chainPem[0] ?? '');
  if (connection.fingerprints.length > 0 || connection.caFile !== undefined) {
    const ca = readCa(connection);
    const fits =
      connection.fingerprints.some((one) => sameFingerprint(one, shown.fingerprint)) ||
      (ca !== undefined && caFault(leaf, host, ca) === undefined);
    const given = 'PROXMOX_FINGERPRINT or PROXMOX_CA_FILE';
    if (fits) return ok(name, `${print}; matches ${given}`);
    return failed(name, `${print}; does not match ${given}`, 'Compare it with the node and correct the setting.');
  }
  if (shown.authorized) return ok(name, `${print}; trusted by an authority of the system`);
  if (connection.verifySsl)
    return failed(name, `${print}; not trusted by an authority of the system`, 'Set PROXMOX_CA_FILE or PROXMOX_FINGERPRINT.');
  const next = 'Compare the fingerprint with the one on the node, then: proxmox-mcp trust';
  if (pin) {
    const what = pin.kind === 'ca' ? "the cluster's authority" : 'the certificate';
    if (pinFault(leaf, host, pin) === undefined) return ok(name, `${print}; ${what} is pinned since ${pin.since}`);
    return failed(name, `${print}; does not match the pin of ${pin.since}`, next);
  }
  if (isPrivate(shown.address)) return warn(name, `${print}; not pinned yet; the first use pins it`, next);
  return failed(name, `${print}; not trusted, and not in a private network`, next);
}

const WHAT = { guests: 'guests', cpu: 'vCPUs', memoryMib: 'MiB of memory', diskGib: 'GiB of disk' } as const;

/** Limits and their use, so that a reached limit shows before a call is refused. */
export function quotaChecks({ hiddenPool, quotas }: Quotas): Check[] {
  if (hiddenPool !== undefined) {
    const text = `the guests of pool ${hiddenPool} cannot be counted without Pool.Audit, so nothing can be created (PROXMOX_QUOTA_SCOPE)`;
    return [warn('limits', text)];
  }
  return quotas.flatMap(({ size, variable, limit, used = 0, reserved = 0, left, unseenDisks }): Check[] => {
    if (limit === undefined) return [];
    const taken = Math.ceil(used + reserved);
    const flight = reserved > 0 ? ` (${plain(reserved)} of them by work in flight)` : '';
    const raised = `${variable}=${Math.ceil(taken * 1.25) + 1}`;
    const check =
      left !== undefined && left > 0
        ? ok('limits', `${taken} of ${limit} ${WHAT[size]} in use${flight} (${variable})`)
        : warn('limits', `${taken} ${WHAT[size]} exist${flight}, limit ${limit}: nothing can be created`, raised);
    return unseenDisks ? [check, ok('limits', UNSEEN)] : [check];
  });
}
const UNSEEN =
  'disks that the token cannot see do not count (PROXMOX_MAX_TOTAL_DISK_GB): on storages without Datastore.Audit, of guests without VM.Config.Disk';

/** Whether a guest can be created: from which sources, on which storages and bridges. */
export async function material(api: ProxmoxReader, settings: Settings): Promise<Check[]> {
  const all = await listNodes(api);
  const nodes = all.filter((n) => n.online);
  const named = nodes.find((n) => n.node === settings.defaults.node);
  const node = named ?? (nodes.length === 1 && !settings.defaults.nodeIsExplicit ? nodes[0] : undefined);
  if (!node) {
    const names = nodes.map((n) => n.node).join(', ');
    const text = `node ${settings.defaults.node} is not online; online: ${names}`;
    return [...silent(all), warn('node', text, `PROXMOX_NODE=${nodes[0]?.node ?? '…'}`)];
  }
  const [storages, bridges, guests] = await Promise.all([listStorages(api, node.node), listBridges(api, node.node), currentGuests(api)]);
  const takes = (content: string) => storages.filter((s) => s.usable && s.content.includes(content));
  const disks = takes('images').map((s) => `${s.storage} (${Math.floor(s.freeGib)} GiB free)`);
  const volumes = async (content: string) => {
    const lists = await Promise.all(takes(content).map(({ storage }) => listVolumes(api, node.node, storage, { content }).catch(() => [])));
    return lists.flat().length;
  };
  const [isos, images] = await Promise.all([volumes('iso'), volumes('import')]);
  const counts = [
    [guests.filter((g) => g.template).length, 'template'],
    [isos, 'ISO'],
    [images, 'image'],
  ] as const;
  const sources = counts.flatMap(([count, what]) => (count > 0 ? counted(count, what) : []));
  return [
    ...silent(all),
    tooSmall(node, settings),
    disks.length > 0
      ? ok('storage', `for disks: ${disks.join(', ')}`)
      : warn('storage', `no visible storage on ${node.node} takes disks`, NO_STORAGE),
    bridges.length > 0 ? ok('network', `bridges: ${bridges.join(', ')}`) : warn('network', `no visible bridge on ${node.node}`, NO_BRIDGE),
    sources.length > 0
      ? ok('to install from', sources.join(', '))
      : warn('to install from', 'no template, ISO or image is visible', NO_SOURCE),
  ];
}
const NO_STORAGE = 'Add the content type "Disk image" to a storage, or Datastore.Audit on one to the token.';
const NO_BRIDGE = 'Create one on the node, or grant SDN.Use on /sdn/zones/localnetwork to the token.';
const NO_SOURCE = 'Upload an ISO or a cloud image to a storage, or create a template.';

/** Proxmox then reports the node as `unknown`, and its guests without names and sizes. All else works. */
function silent(nodes: readonly NodeRow[]): Check[] {
  const names = nodes.flatMap((n) => (n.silent ? [n.node] : [])).join(', ');
  if (names === '') return [];
  const next = `On ${names}: systemctl restart pvestatd; look for a hanging storage (a dead NFS mount, for example).`;
  return [warn('status daemon', `status daemon (pvestatd) of ${names} is silent`, next)];
}

function tooSmall({ node, cpus }: NodeRow, { limits }: Settings): Check {
  if (cpus === undefined) return ok('node', `new guests go to ${node}`);
  if (cpus >= 2) return ok('node', `new guests go to ${node} (${cpus} CPUs; at most ${Math.min(cpus, limits.maxCpu)} for one guest)`);
  return warn('node', `${node} has ${cpus} CPU, and a guest gets 2 by default`, 'Pass cores: 1, or choose another node.');
}

/**
 * Entries of PROXMOX_CLUSTERS_FILE that mean one cluster, such as two nodes of it. Each has limits, a policy and reservations of its own.
 * @param served identities of the clusters that answered
 */
export function sameClusterChecks(served: readonly string[]): Check[] {
  const authority = (identity: string) => identity.split('@')[1];
  return served.flatMap((identity, index) => {
    const same = served.filter((other) => authority(other) === authority(identity)).map(nameIn);
    if (same.length < 2 || served.findIndex((other) => authority(other) === authority(identity)) !== index) return [];
    const names = `${same.slice(0, -1).join(', ')} and ${same.at(-1)}`;
    const text = `${names} are one cluster. Limits, policy and approvals of one name do not hold for calls that use another.`;
    return [warn('clusters', text, 'List it once in PROXMOX_CLUSTERS_FILE, with all its hosts in PROXMOX_HOST.')];
  });
}
