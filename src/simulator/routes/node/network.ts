import { type Context, flag, needed, nodeOf, type Routes, task, text } from '../../context.ts';
import { invalid, refuse } from '../../errors.ts';
import { splitList } from '../../formats.ts';
import type { NodeDoc } from '../../model.ts';
import type { Kinds, Run } from '../../tasks.ts';

const HEADER = '--- /etc/network/interfaces\n+++ /etc/network/interfaces.new\n';

function nodeHere(context: Context): NodeDoc {
  return context.world.get('node', nodeOf(context)) ?? refuse(`no such cluster node '${nodeOf(context)}'`);
}

type Bridge = NodeDoc['bridges'][number];

/** Bridges as they will be: the present ones where nothing is staged. */
const wanted = (node: NodeDoc): Bridge[] => node.staged ?? node.bridges;

/** Lines of the interfaces file about a bridge. */
const linesOf = ({ iface, cidr, comment, vlanAware }: Bridge): string[] => [
  `auto ${iface}`,
  `iface ${iface} inet ${cidr ? 'static' : 'manual'}`,
  ...(cidr ? [`\taddress ${cidr}`] : []),
  '\tbridge-ports none',
  '\tbridge-stp off',
  '\tbridge-fd 0',
  ...(vlanAware ? ['\tbridge-vlan-aware yes'] : []),
  ...(comment ? [`#${comment}`] : []),
];

/** The difference as the API shows it; nothing when there is none. */
function difference(node: NodeDoc, staged: Bridge[]): string | undefined {
  const [old, next] = [node.bridges.map(linesOf), staged.map(linesOf)].map((all) => all.map((lines) => lines.join('\n')));
  const gone = (old ?? []).filter((text) => !(next ?? []).includes(text)).flatMap((text) => text.split('\n'));
  const come = (next ?? []).filter((text) => !(old ?? []).includes(text)).flatMap((text) => text.split('\n'));
  if (gone.length + come.length === 0) return undefined;
  return `${HEADER}@@ -1 +1 @@\n${[...gone.map((line) => `-${line}`), ...come.map((line) => `+${line}`)].join('\n')}\n`;
}

function stage(context: Context, staged: Bridge[]): null {
  const node = nodeHere(context);
  const changes = difference(node, staged);
  const { networkChanges: _changes, staged: _staged, ...plain } = node;
  context.world.put('node', node.node, changes === undefined ? plain : { ...plain, staged, networkChanges: changes });
  return null;
}

/** The bridge of a request; other kinds of interfaces are not kept. */
function bridgeFrom(context: Context, before: Partial<Bridge> = {}): Bridge {
  const address = text(context, 'address');
  const cidr = text(context, 'cidr') ?? (address === undefined ? before.cidr : `${address}/${text(context, 'netmask') ?? '24'}`);
  const comment = text(context, 'comments') ?? before.comment;
  const vlanAware = text(context, 'bridge_vlan_aware') === undefined ? before.vlanAware : flag(context, 'bridge_vlan_aware');
  const next: Bridge = {
    iface: needed(context, 'iface'),
    ...(cidr ? { cidr } : {}),
    ...(comment ? { comment } : {}),
    ...(vlanAware ? { vlanAware } : {}),
  };
  for (const key of splitList(text(context, 'delete') ?? '')) {
    if (key === 'cidr' || key === 'address') delete next.cidr;
    if (key === 'comments') delete next.comment;
  }
  return next;
}

function onlyBridges(context: Context): void {
  const type = needed(context, 'type');
  if (type !== 'bridge') refuse(`interface type '${type}' is not simulated`);
}

function create(context: Context): null {
  const node = nodeHere(context);
  const iface = needed(context, 'iface');
  if (wanted(node).some((bridge) => bridge.iface === iface) || (node.cards ?? [{ iface: 'eth0' }]).some((card) => card.iface === iface))
    invalid({ iface: 'interface already exists' });
  onlyBridges(context);
  return stage(context, [...wanted(node), { ...bridgeFrom(context), pending: true }]);
}

function change(context: Context): null {
  const node = nodeHere(context);
  const before = wanted(node).find(({ iface }) => iface === needed(context, 'iface')) ?? invalid({ iface: 'interface does not exist' });
  onlyBridges(context);
  return stage(
    context,
    wanted(node).map((bridge) =>
      bridge === before ? { ...bridgeFrom(context, before), ...(before.pending ? { pending: true } : {}) } : bridge,
    ),
  );
}

function remove(context: Context): null {
  const node = nodeHere(context);
  const iface = needed(context, 'iface');
  if (!wanted(node).some((bridge) => bridge.iface === iface)) invalid({ iface: 'interface does not exist' });
  return stage(
    context,
    wanted(node).filter((bridge) => bridge.iface !== iface),
  );
}

/** Puts every staged change into force, whichever client staged it. */
function finishReload(run: Run): void {
  const node = run.world.get('node', run.task.node);
  if (!node) return;
  const { staged, networkChanges: _changes, ...plain } = node;
  const bridges = (staged ?? node.bridges).map(({ pending: _pending, ...bridge }) => bridge);
  run.world.put('node', node.node, { ...plain, bridges });
}

export const NODE_NETWORK_KINDS: Kinds = { 'network-reload': { begin: () => 1_000, finish: finishReload } };

export const NODE_NETWORK_ROUTES: Routes = {
  'POST /nodes/{node}/network': create,
  'PUT /nodes/{node}/network/{iface}': change,
  'DELETE /nodes/{node}/network/{iface}': remove,
  'DELETE /nodes/{node}/network': (context) => stage(context, nodeHere(context).bridges),
  'PUT /nodes/{node}/network': (context) => {
    if (flag(context, 'regenerate-frr')) refuse('FRR is not simulated');
    return task(context, { type: 'srvreload', id: 'networking', kind: 'network-reload' });
  },
};
