import type { JsonObject } from '../../core/text/json.ts';

/** A resource is read through a tool, so scope, masking and audit are the tool's. */
interface Kind {
  name: string;
  title: string;
  description: string;
  tool: string;
}

/** A list of many things. */
interface ListKind extends Kind {
  uri: string;
  args: JsonObject;
}

/** One thing by its address. */
export interface ItemKind extends Kind {
  /** Its only variable is `id`. */
  template: string;
  /** The ids that complete it. */
  ids: 'vmids' | 'nodes' | 'storages' | 'approvals' | 'tasks';
  /** The tool's arguments; undefined where the address has another form than such ids. */
  args: (id: string) => JsonObject | undefined;
  /** The item in the answer; undefined where the answer lacks it. Default: the whole answer. */
  pick?: (answer: JsonObject, id: string) => JsonObject | undefined;
}

/** They are fixed, so that a client which lists resources as it connects sends nothing to Proxmox. */
export const LISTS: readonly ListKind[] = [
  { name: 'guests', title: 'Guests', description: 'VMs and containers with state and use now', tool: 'list_vms', args: {} },
  { name: 'nodes', title: 'Nodes', description: 'Nodes with state, use and version', tool: 'get_cluster', args: { sections: ['nodes'] } },
  {
    name: 'storages',
    title: 'Storages',
    description: 'Storages with content and free space, images and ISOs',
    tool: 'get_cluster',
    args: { sections: ['storages', 'media'] },
  },
  { name: 'approvals', title: 'Approvals', description: 'Your approvals, the newest first', tool: 'list_approvals', args: {} },
  { name: 'tasks', title: 'Tasks', description: 'Your recent runs', tool: 'get_task', args: {} },
].map((kind) => ({ uri: `proxmox://${kind.name}`, ...kind }));

export const ITEMS: readonly ItemKind[] = [
  {
    name: 'guest',
    template: 'proxmox://guest/{id}',
    title: 'Guest',
    description: 'Status and configuration of one VM or container, by VMID',
    ids: 'vmids',
    tool: 'get_vm',
    args: guestAt,
  },
  {
    name: 'node',
    template: 'proxmox://node/{id}',
    title: 'Node',
    description: 'State, storages and bridges of one node',
    ids: 'nodes',
    tool: 'get_cluster',
    args: (id) => (isName(id) ? { node: id, sections: ['nodes', 'storages', 'networks'] } : undefined),
    pick: (answer, id) => rowsOf(answer, 'nodes', 'node', id),
  },
  {
    name: 'storage',
    template: 'proxmox://storage/{id}',
    title: 'Storage',
    description: 'Content and free space of one storage, on each node',
    ids: 'storages',
    tool: 'get_cluster',
    args: (id) => (isName(id) ? { sections: ['storages'] } : undefined),
    pick: (answer, id) => rowsOf(answer, 'storages', 'storage', id),
  },
  {
    name: 'approval',
    template: 'proxmox://approvals/{id}',
    title: 'Approval',
    description: 'Plan and state of one approval',
    ids: 'approvals',
    tool: 'list_approvals',
    args: () => ({}),
    pick: ({ approvals = [] }, id) => (approvals as JsonObject[]).find(({ approval_id }) => approval_id === id),
  },
  {
    name: 'task',
    template: 'proxmox://task/{id}',
    title: 'Task',
    description: 'State and log of one run or Proxmox task, by run_id or UPID',
    ids: 'tasks',
    tool: 'get_task',
    args: (id) => (id.startsWith('run_') ? { run_id: id } : id.startsWith('UPID:') ? { upid: id } : undefined),
  },
];

/** `105`, or `home:105` where several clusters are served. An address has one form: `0x64` and `1e2` do not name guest 100. */
function guestAt(id: string): JsonObject | undefined {
  const [, cluster, vmid] = /^(?:([a-z0-9-]{1,32}):)?([1-9]\d{2,8})$/.exec(id) ?? [];
  return vmid === undefined ? undefined : { vmid: Number(vmid), ...(cluster === undefined ? {} : { cluster }) };
}

function isName(id: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(id);
}

/** The answer with the rows of one name alone. */
function rowsOf(answer: JsonObject, list: string, key: string, name: string): JsonObject | undefined {
  const rows = ((answer[list] ?? []) as JsonObject[]).filter((row) => row[key] === name);
  return rows.length === 0 ? undefined : { ...answer, [list]: rows };
}
