import { type Context, needed, nodeOf, type Routes, text } from '../context.ts';
import { findMethod } from '../contract.ts';
import { refuse } from '../errors.ts';
import { splitList } from '../formats.ts';
import { optionsOf } from './guest/new-guest.ts';

/** The simulated nodes have no Ceph. */
const NO_CEPH = (): never => refuse('binary not installed: /usr/bin/ceph-mon');

const CEPH = [
  '',
  '/cfg',
  '/cfg/db',
  '/cfg/raw',
  '/crush',
  '/fs',
  '/mds',
  '/mgr',
  '/mon',
  '/osd',
  '/pool',
  '/rules',
  '/status',
  '/cmd-safety',
];

const subdirs = (names: string) => () => names.split(' ').map((subdir) => ({ subdir }));
const named = (names: string) => () => names.split(' ').map((name) => ({ name }));

function setOptions(context: Context): null {
  const options: Record<string, unknown> = { ...context.world.get('options', 'datacenter'), ...optionsOf(context, ['delete']) };
  for (const key of splitList(text(context, 'delete') ?? '')) delete options[key];
  context.world.put('options', 'datacenter', options);
  return null;
}

const NODE_OPTIONS = (context: Context): string => `node ${nodeOf(context)}`;

function setNodeConfig(context: Context): null {
  const options: Record<string, unknown> = {
    ...context.world.get('options', NODE_OPTIONS(context)),
    ...optionsOf(context, ['node', 'delete', 'digest']),
  };
  for (const key of splitList(text(context, 'delete') ?? '')) delete options[key];
  context.world.put('options', NODE_OPTIONS(context), options);
  return null;
}

/** Restarts or halts the node: its guests go down with it, and the API of that node no longer answers. */
function nodeCommand(context: Context): null {
  const { world } = context;
  const node = world.get('node', nodeOf(context));
  if (!node) return null;
  for (const guest of world.guests().values()) {
    if (guest.node !== node.node || !guest.running) continue;
    const { running: _running, ...stopped } = guest;
    world.saveGuest({ ...stopped, stoppedAt: context.at }, context.at);
  }
  const isReboot = needed(context, 'command') === 'reboot';
  world.put('node', node.node, { ...node, online: isReboot, ...(isReboot ? { bootedAt: context.at } : {}) });
  return null;
}

const ofCluster = (context: Context): unknown[] =>
  [...context.world.all('node').values()].map(({ node, ip }, index) => ({
    node,
    name: node,
    nodeid: String(index + 1),
    quorum_votes: '1',
    ring0_addr: ip,
  }));

export const MISC_ROUTES: Routes = {
  'GET /cluster': named(
    'acme backup backup-info bulk-action ceph config firewall ha jobs log mapping metrics nextid notifications options qemu replication resources sdn status tasks',
  ),
  'GET /cluster/backup-info': subdirs('not-backed-up'),
  'GET /cluster/metrics': named('export server'),
  'GET /cluster/metrics/server': () => [],
  'PUT /cluster/options': setOptions,
  'PUT /nodes/{node}/config': setNodeConfig,
  'GET /nodes/{node}/config': (context) => context.world.get('options', NODE_OPTIONS(context)) ?? {},
  'POST /nodes/{node}/status': nodeCommand,
  'GET /nodes/{node}': named(
    'aplinfo apt capabilities ceph certificates config disks dns firewall hardware hosts journal lxc migrateall netstat network qemu query-url-metadata replication report rrd rrddata scan sdn services startall status stopall storage subscription suspendall syslog tasks time version vzdump wakeonlan',
  ),
  'GET /nodes/{node}/storage/{storage}': subdirs(
    'content download-url file-restore import-metadata oci-registry-pull prunebackups rrd rrddata status upload',
  ),
  'GET /nodes/{node}/qemu/{vmid}/status': subdirs('current start stop reset shutdown suspend reboot'),
  'GET /nodes/{node}/lxc/{vmid}/status': subdirs('current start stop shutdown migrate'),
  'GET /cluster/mapping': named('dir pci usb'),
  'GET /cluster/mapping/dir': () => [],
  'GET /cluster/mapping/pci': () => [],
  'GET /cluster/mapping/usb': () => [],
  'GET /cluster/acme/plugins': () => [{ plugin: 'standalone', type: 'standalone', digest: 'da39a3ee5e6b4b0d3255bfef95601890afd80709' }],
  'GET /cluster/acme/account': () => [],
  'GET /cluster/qemu/custom-cpu-models': () => [],
  'GET /cluster/config/nodes': ofCluster,
  'GET /cluster/ceph/status': NO_CEPH,
  'GET /cluster/ceph/flags': NO_CEPH,
  'GET /cluster/ceph/metadata': NO_CEPH,
  ...Object.fromEntries(
    CEPH.filter((path) => findMethod('GET', `/nodes/n/ceph${path}`)).map((path) => [`GET /nodes/{node}/ceph${path}`, NO_CEPH]),
  ),
};
