import { expect, test } from 'vitest';
import { GUEST, grants, REST, without, withRights } from '../../helpers/limited.ts';
import { asRoot, roleOf } from '../../helpers/rights.ts';
import { agent } from '../../helpers/world.ts';

const NEWCOMER = { '/pool/agents': GUEST, '/vms/103': ['VM.Audit', 'VM.PowerMgmt'], '/vms/9000': ['VM.Audit', 'VM.Clone'], ...REST };
const lacking = (path: string, ...privileges: string[]) => {
  const all: Record<string, string[]> = { ...NEWCOMER };
  const rest = (all[path] ?? []).filter((name) => !privileges.includes(name));
  return { ...all, [path]: rest.length > 0 ? rest : ['Permissions.Modify'] };
};
const BRIDGE = '/sdn/zones/localnetwork/vmbr0';

test.each([
  ['start_vm', '/pool/agents', 'VM.PowerMgmt', { vmid: 104 }],
  ['set_resources', '/pool/agents', 'VM.Config.Memory', { vmid: 104, cores: 3, memory: 4096 }],
  ['stop_vm', '/vms/103', 'VM.PowerMgmt', { vmid: 103 }],
  ['delete_vm', '/pool/agents', 'VM.Allocate', { vmid: 104 }],
  ['create_vm', '/pool/agents', 'VM.Config.CPU', { name: 'app1', pool: 'agents' }],
  ['create_vm', '/pool/agents', 'VM.PowerMgmt', { name: 'app1', pool: 'agents', start_on_create: true }],
  ['create_vm', '/storage/local-lvm', 'Datastore.AllocateSpace', { name: 'app1', pool: 'agents' }],
  ['clone_template', '/vms/9000', 'VM.Clone', { source_vmid: 9000, name: 'app2', pool: 'agents' }],
  ['clone_template', '/pool/agents', 'VM.Config.Options', { source_vmid: 9000, name: 'app2', pool: 'agents', tags: ['dev'] }],
  ['clone_template', '/storage/local-lvm', 'Datastore.AllocateSpace', { source_vmid: 9000, name: 'app2', pool: 'agents', disk_gb: 20 }],
  ['clone_template', BRIDGE, 'SDN.Use', { source_vmid: 9000, name: 'app2', pool: 'agents' }],
])(
  '%s without the privilege on %s is refused with privilege, path and line before anything is sent: %s',
  async (operation, path, privilege, args) => {
    const { cluster, call, refused, dry } = await withRights(lacking(path, privilege));
    const before = cluster.mutations().length;
    for (const error of [await refused(operation, args), await dry(operation, args)]) {
      expect(error.code).toBe('permission_denied');
      expect(error.message).toContain(privilege);
      expect(error.details?.missing).toContainEqual(expect.objectContaining({ privileges: [privilege] }));
      expect(error.hint).toContain(path);
      expect(grants(error).join()).toContain(privilege);
    }
    expect(cluster.mutations()).toHaveLength(before);
    expect(JSON.stringify(await call('list_approvals', {}))).not.toContain('apr_');
  },
);

test('where the permissions of the token cannot be read, Proxmox decides', async () => {
  const { cluster, call } = await withRights(NEWCOMER);
  cluster.simulator.faults.add({ match: { path: '/access/permissions' }, action: 'status', status: 501, reason: 'Not implemented' });
  expect(await call('start_vm', { vmid: 104 })).toMatchObject({ kind: 'done' });
});

test('a right that is lost between request and approval is found before anything is sent, and the approval stays pending', async () => {
  const { world, cluster, token, call } = await withRights(NEWCOMER);
  const asked = await call('delete_vm', { vmid: 104 });
  if (asked.kind !== 'approval_required') throw new Error(asked.kind);
  await asRoot(cluster, 'PUT', `/access/roles/${roleOf('/pool/agents')}`, { privs: without('VM.Allocate').join(',') });
  const before = cluster.mutations().length;
  const later = world.another({ connection: cluster.connection(token) });
  const error = await world.refused(later.perform('approve', { approval_id: asked.approval.id }, agent, { wait: 'end' }));
  expect(error).toMatchObject({ code: 'permission_denied', message: expect.stringContaining('VM.Allocate on /vms/104') });
  expect(cluster.mutations()).toHaveLength(before);
  await asRoot(cluster, 'PUT', `/access/roles/${roleOf('/pool/agents')}`, { privs: GUEST.join(',') });
  expect(await later.perform('approve', { approval_id: asked.approval.id }, agent, { wait: 'end' })).toMatchObject({ kind: 'done' });
});
