import { TOOLSETS } from '../../src/core/settings/toolset.ts';
import type { Operation } from '../../src/operations/define.ts';
import { operations } from '../../src/operations/index.ts';
import { PLACES, type Place, type Right, rightsOf, roleFor } from '../../src/operations/rights.ts';
import { type TokenPlan, tokenLines } from '../../src/operations/token-setup.ts';
import { GENERATED, rows } from './markdown.ts';

const ON: Record<Place, string> = {
  guests: 'a guest, its pool, or `/vms`',
  storages: 'a storage, or `/storage`',
  bridges: 'a bridge, or `/sdn/zones/localnetwork`',
  nodes: 'a node, or `/nodes`',
  cluster: '`/`',
};
const onCluster = operations.filter(({ effect }) => effect !== 'control');

/** docs/rights.md */
export async function rightsDoc(): Promise<string> {
  const sets = TOOLSETS.map((name) => ({ name, members: onCluster.filter(({ toolset }) => toolset === name) })).filter(
    ({ members }) => members.length > 0,
  );
  return `${[
    GENERATED,
    '# Rights of the API token',
    'Each operation states the API methods that it may send and read. Its rights follow from the permission expressions of Proxmox VE 9.2 and from what the code of a method checks beside them. Before an approval is made or a request is sent, the server holds each request of a plan against the rights of the token. A missing one is `permission_denied` with privilege, path and the `pveum` line.',
    'A token with privilege separation has what both the token and its user have, so each ACL names both. Proxmox VE 8 knows `VM.Monitor` instead of `VM.GuestAgent.Audit`.',
    '## Roles by toolset',
    'The role of a toolset lets its operations do everything. An ACL on a deeper path replaces what is inherited from above; the rights of a pool join those on its guests.',
    rows(['Toolset', 'On', 'Privileges'], (await Promise.all(sets.map(({ name, members }) => roleRows(name, members)))).flat()),
    '## Rights by operation',
    'Without what it needs an operation is refused. With more rights it can do or tell more.',
    rows(['Operation', 'Needs', 'Does or tells more with'], await Promise.all(onCluster.map(operationRow))),
    '## API methods by operation',
    rows(['Operation', 'Sends', 'Reads'], onCluster.map(methodRow)),
    '`{type}` is `qemu` or `lxc`. Reads that no right restricts, such as `GET /version`, are left out.',
  ].join('\n\n')}\n`;
}

async function roleRows(name: string, members: readonly Operation[]): Promise<string[][]> {
  const role = await roleFor(members, 'everything');
  return PLACES.filter((place) => role[place].length > 0).map((place) => [
    `\`${name}\``,
    ON[place],
    role[place].map((one) => `\`${one}\``).join(' '),
  ]);
}

const ANY = 'those of the method that is called';

async function operationRow(operation: Operation): Promise<string[]> {
  if (operation.anyBut) return [`\`${operation.name}\``, ANY, ''];
  const { needs, more } = await rightsOf(operation);
  const written = (rights: readonly Right[]) =>
    PLACES.flatMap((place) => {
      const on = rights.filter((right) => right.on === place).map(({ anyOf }) => anyOf.map((one) => `\`${one}\``).join(' or '));
      return on.length === 0 ? [] : [`${place}: ${on.join(', ')}`];
    }).join('; ');
  return [`\`${operation.name}\``, written(needs), written(more)];
}

function methodRow(operation: Operation): string[] {
  if (operation.anyBut) return [`\`${operation.name}\``, 'see [API methods](api-methods.md)', ''];
  const sends = 'sends' in operation ? Object.keys({ ...operation.sends, ...operation.maySend }) : [];
  const reads = [...(operation.reads ?? []), ...(operation.mayRead ?? [])];
  const list = (names: readonly string[]) => [...new Set(names.map((one) => bothTypes(one, names)))].map((one) => `\`${one}\``).join(' ');
  return [`\`${operation.name}\``, list(sends), list(reads)];
}

/** A method of VMs and of containers alike. */
function bothTypes(name: string, names: readonly string[]): string {
  const other = name.includes('/{node}/qemu') ? name.replace('/{node}/qemu', '/{node}/lxc') : name.replace('/{node}/lxc', '/{node}/qemu');
  return other !== name && names.includes(other) ? name.replace(/\/\{node\}\/(qemu|lxc)/, '/{node}/{type}') : name;
}

/** The token of the documentation: for the tools that are offered without further settings, in a pool of its own. */
const SHOWN_TOKEN: TokenPlan = {
  toolsets: ['everyday'],
  tokenId: 'mcp@pve!agent',
  pool: 'agents',
  templates: ['9000'],
  storages: ['local-lvm', 'local'],
  bridges: ['vmbr0'],
  nodes: ['pve'],
};

/** The lines that take back what those of `tokenSetup` made. Deleting the user deletes its token and its ACLs. */
export async function tokenRemoval(): Promise<string> {
  const { create } = await tokenLines(SHOWN_TOKEN);
  const named = (what: string) => create.flatMap((line) => new RegExp(`^pveum ${what} add +(\\S+)`).exec(line)?.[1] ?? []);
  const lines = [
    ...named('user').map((user) => `pveum user delete ${user}    # its token and its ACLs go with it`),
    ...named('role').map((role) => `pveum role delete ${role}`),
    ...named('pool').map((pool) => `pveum pool delete ${pool}    # only while it holds no guest`),
  ];
  return ['```sh', ...lines, '```'].join('\n');
}

/** The lines that make the token of the documentation. */
export async function tokenSetup(): Promise<string> {
  const { create, grant } = await tokenLines(SHOWN_TOKEN);
  const why: Record<string, string> = {
    '/vms/9000': 'each template to clone',
    '/storage/local-lvm': 'each storage for disks',
    '/storage/local': 'each storage with images, ISOs and templates',
    '/sdn/zones/localnetwork/vmbr0': 'each bridge',
    '/nodes/pve': 'each node',
  };
  const widest = Math.max(...grant.map(({ line }) => line.length)) + 2;
  return [
    '```sh',
    ...create.map((line) => (line.includes(' token add ') ? `${line}        # prints the secret once` : line)),
    ...grant.map(({ line, path }) => (why[path] === undefined ? line : `${line.padEnd(widest)}# ${why[path]}`)),
    '```',
  ].join('\n');
}
