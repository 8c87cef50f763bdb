import { present } from '../../../core/defined.ts';
import type { ProxmoxReader } from '../../../core/proxmox.ts';
import { canonical, digestOf } from '../../../core/text/canonical.ts';
import type { Json, JsonObject } from '../../../core/text/json.ts';
import { plainText } from '../../../core/text/text.ts';
import { path } from '../../../proxmox/guest/encode.ts';
import { atOnce } from '../../lib/at-once.ts';
import type { Around } from './around.ts';
import type { ApiRequest } from './request.ts';

const APPLY = 'PUT /cluster/sdn';
const DROP = 'POST /cluster/sdn/rollback';
/** Parameters that identify a part of SDN, the most special first. */
const NAMES = ['subnet', 'vnet', 'zone', 'controller', 'node_id', 'id'];
/** Most changes that a plan names one by one. */
const MAX_NAMED = 40;
const AT_ONCE = 4;
const NONE: Record<string, JsonObject[]> = {};

/**
 * The changes of SDN that wait, whichever client staged them. A request that applies or drops them names them, and its approval is bound to them:
 * staging needs no approval. Undefined for other methods.
 */
export async function staged({ name }: ApiRequest, api: ProxmoxReader) {
  if (name !== APPLY && name !== DROP) return undefined;
  const list = (at: string) => api.get<JsonObject[]>(at, { pending: 1 });
  const [zones, vnets, controllers, fabrics] = await Promise.all([
    list('/cluster/sdn/zones'),
    list('/cluster/sdn/vnets'),
    list('/cluster/sdn/controllers'),
    // Releases before 9 know no fabrics.
    (await api.version()).major < 9 ? NONE : api.get<typeof NONE>('/cluster/sdn/fabrics/all', { pending: 1 }),
  ]);
  const rows = [...zones, ...vnets, ...controllers, ...Object.values(fabrics).flat()];
  // Proxmox refuses the list of a VNet whose removal is staged. Such a VNet has no subnets that stay.
  const left = vnets.filter(({ state }) => state !== 'deleted');
  await atOnce(left, AT_ONCE, async ({ vnet }) => {
    rows.push(...(await list(path`/cluster/sdn/vnets/${String(vnet)}/subnets`)));
  });
  const waiting = rows.filter(({ state }) => state !== undefined).map(({ digest: _digest, ...row }) => row);
  const texts = waiting.map(textOf).sort();
  const more = texts.length - MAX_NAMED;
  const around: Around = {
    binds: { 'the staged configuration of SDN': digestOf(waiting.map((row) => canonical(row)).sort()) },
    expected: [],
    undo: name === DROP ? 'impossible: what was staged is lost' : 'not known: look up the present state first',
  };
  const verb = name === DROP ? 'drops' : 'applies';
  const warnings = present(
    ...texts.slice(0, MAX_NAMED).map((text) => `${verb} ${text}`),
    more > 0 && `${verb} ${more} more changes`,
    texts.length === 0 && 'the token sees no staged change of SDN',
  );
  return { around, warnings, vmids: [] };
}

/** `vnet lab (changed): tag 10 → 20` */
function textOf(row: JsonObject): string {
  const name = NAMES.find((one) => row[one] !== undefined) ?? 'id';
  const changes = Object.entries((row.pending ?? {}) as JsonObject)
    .filter(([key, value]) => row.state === 'new' || value !== row[key])
    .map(([key, value]) => `${key} ${row.state === 'new' ? '' : `${said(row[key])} → `}${said(value)}`);
  return plainText(`${name} ${String(row[name])} (${String(row.state)})${changes.length > 0 ? `: ${changes.join(', ')}` : ''}`, 380);
}

function said(value: Json | undefined): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value ?? 'unset');
}
