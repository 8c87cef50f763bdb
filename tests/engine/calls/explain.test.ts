import { expect, test } from 'vitest';
import { GUEST, grants, REST, without, withRights } from '../../helpers/limited.ts';
import { pveum, roleOf } from '../../helpers/rights.ts';

test('following the hint takes no right away: it names the path from which the rights are inherited', async () => {
  const { cluster, call, refused } = await withRights({ '/vms': ['VM.Audit', 'VM.Config.CDROM', 'VM.PowerMgmt'] });
  const error = await refused('set_resources', { vmid: 101, cores: 3 });
  expect(error.code).toBe('permission_denied');
  expect(error.hint).toContain('the role that limited@pve and the token have on /vms:');
  expect(error.hint).not.toContain('/vms/101');
  expect(grants(error)).toEqual(['pveum acl list', "pveum role modify ROLE --append --privs 'VM.Config.CPU'"]);
  for (const line of grants(error)) await pveum(cluster, line, roleOf('/vms'));
  expect(await call('set_resources', { vmid: 101, cores: 3 })).toMatchObject({ kind: 'done' });
  expect(await call('start_vm', { vmid: 101 })).toMatchObject({ kind: 'done' });
});

test('a right on a guest of a pool belongs on the path of the pool', async () => {
  const { cluster, call, refused } = await withRights({ '/pool/agents': ['VM.Audit', 'VM.Config.CDROM', 'VM.PowerMgmt'] });
  const error = await refused('set_resources', { vmid: 104, cores: 3 });
  expect(error.hint).toContain('the role that limited@pve and the token have on /pool/agents:');
  for (const line of grants(error)) await pveum(cluster, line, roleOf('/pool/agents'));
  expect(await call('set_resources', { vmid: 104, cores: 3 })).toMatchObject({ kind: 'done' });
});

test('the role is named where the token may read the ACL', async () => {
  const { refused } = await withRights({ '/vms': ['VM.Audit', 'VM.Config.CDROM'], '/access': ['Sys.Audit'] });
  const error = await refused('set_resources', { vmid: 101, cores: 3 });
  expect(grants(error)).toEqual([`pveum role modify ${roleOf('/vms')} --append --privs 'VM.Config.CPU'`]);
});

test('a built-in role cannot be changed: one more role on the same path joins it', async () => {
  const { cluster, call, refused } = await withRights({ '/vms': 'PVETemplateUser', '/access': ['Sys.Audit'] });
  const error = await refused('start_vm', { vmid: 105 });
  expect(grants(error)).toEqual([
    "pveum role add Mcp-VM.PowerMgmt --privs 'VM.PowerMgmt'",
    "pveum acl modify /vms --users limited@pve --tokens 'limited@pve!agent' --roles Mcp-VM.PowerMgmt",
  ]);
  for (const line of grants(error)) await pveum(cluster, line);
  expect(await call('start_vm', { vmid: 105 })).toMatchObject({ kind: 'done' });
});

test('a right on a storage is added where the token has its rights on storages', async () => {
  const { '/storage/local-lvm': _, ...rest } = REST;
  const { cluster, call, refused } = await withRights({ '/vms': GUEST, '/storage': ['Datastore.Audit'], ...rest });
  const error = await refused('create_vm', { name: 'app1' });
  expect(error.code).toBe('permission_denied');
  expect(error.hint).toContain('on /storage:');
  for (const line of grants(error)) await pveum(cluster, line, roleOf('/storage'));
  expect(await call('create_vm', { name: 'app1' })).toMatchObject({ kind: 'done' });
});

test('the hint never grants a right for a new guest on its VMID', async () => {
  const { cluster, call, refused } = await withRights({ '/pool/agents': without('VM.Config.HWType'), ...REST });
  const error = await refused('create_vm', { name: 'app1', pool: 'agents' });
  expect(error).toMatchObject({ code: 'permission_denied', message: expect.stringContaining('VM.Config.HWType') });
  expect(error.message).not.toContain('does not exist');
  expect(`${error.hint}${grants(error).join()}`).not.toContain('/vms');
  expect(error.hint).toContain('on /pool/agents');
  for (const line of grants(error)) await pveum(cluster, line, roleOf('/pool/agents'));
  expect(await call('create_vm', { name: 'app1', pool: 'agents' })).toMatchObject({ kind: 'done' });
});

test('the hint for a guest outside of the pools that the token may use names the pools, and no grant', async () => {
  const { refused } = await withRights({ '/pool/agents': GUEST, ...REST });
  const error = await refused('create_vm', { name: 'app1' });
  expect(error.code).toBe('permission_denied');
  expect(error.hint).toContain('may create guests in pool agents. Call again with pool');
  expect(error.details?.grant).toBeUndefined();
});

test.each([
  ['tags', 'VM.Config.Options', { tags: ['dev'] }],
  ['cores', 'VM.Config.CPU', { cores: 3 }],
])('a clone with %s without %s names the right on the path of the pool', async (_what, privilege, args) => {
  const { refused } = await withRights({ '/pool/agents': without(privilege), '/vms/9000': ['VM.Audit', 'VM.Clone'], ...REST });
  const error = await refused('clone_template', { source_vmid: 9000, name: 'app2', pool: 'agents', ...args });
  expect(error).toMatchObject({ code: 'permission_denied', message: expect.stringContaining(privilege) });
  expect(error.hint).toContain('on /pool/agents');
});

test('a right that only the task lacks is a missing right like any other, with the same hint', async () => {
  const { cluster, call, refused } = await withRights({ '/pool/agents': GUEST, '/vms/9000': ['VM.Audit', 'VM.Clone'], ...REST });
  expect(await call('clone_template', { source_vmid: 9000, name: 'app2', pool: 'agents' })).toMatchObject({ kind: 'done' });
  // The rights that can be foreseen are refused before anything is sent; others only the task asks for.
  const exitstatus = '403 Permission check failed (/storage/local-lvm, Datastore.AllocateSpace)';
  cluster.simulator.faults.add({ match: { method: 'POST', path: '/9000/clone$' }, action: 'fail-task', exitstatus, times: 1 });
  const sent = cluster.mutations().length;
  const error = await refused('clone_template', { source_vmid: 9000, name: 'app3', pool: 'agents' });
  expect(cluster.mutations()).toHaveLength(sent + 1);
  expect(error).toMatchObject({
    code: 'permission_denied',
    message: expect.stringContaining('The API token lacks Datastore.AllocateSpace on /storage/local-lvm'),
    hint: expect.stringContaining('on /storage/local-lvm'),
    details: { missing: [{ path: '/storage/local-lvm', privileges: ['Datastore.AllocateSpace'] }] },
  });
});

test('the reason of a failed start reaches the answer without four kilobytes of command line', async () => {
  const { cluster, call, refused } = await withRights({ '/vms': GUEST });
  const command = `/usr/bin/kvm -id 105 ${'-device virtio-scsi-pci,id=virtioscsi0,bus=pci.3 '.repeat(80)}`;
  const exitstatus = `start failed: command '${command}' failed: got timeout`;
  cluster.simulator.faults.add({ match: { path: '/105/status/start' }, action: 'fail-task', exitstatus });
  const error = await refused('start_vm', { vmid: 105 });
  expect(error).toMatchObject({
    code: 'task_failed',
    message: expect.stringContaining('got timeout'),
    details: { exit: "start failed: command '/usr/bin/kvm …' failed: got timeout" },
  });
  expect(JSON.stringify(error).length).toBeLessThan(1000);
  const recent = await call('get_task', { upid: String(error.details?.upid), log_lines: 20 });
  expect(JSON.stringify(recent).length).toBeLessThan(2000);
  expect(JSON.stringify(recent)).toContain('got timeout');
});

test('the text says that a guest may not exist only where the token cannot see it', async () => {
  const { refused } = await withRights({ '/vms': ['VM.Audit'] });
  expect((await refused('start_vm', { vmid: 105 })).message).not.toContain('does not exist');
});
