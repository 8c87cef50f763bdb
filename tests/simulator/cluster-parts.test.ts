import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSimulator } from './client.ts';

let opened: Awaited<ReturnType<typeof openSimulator>>;
beforeEach(async () => {
  opened = await openSimulator();
});
afterEach(() => opened.close());

const names = async (path: string, field: string) =>
  ((await opened.api.get(path)).data as Record<string, string>[]).map((row) => row[field]);

it('staged changes of a network take effect when they are applied, and go when they are discarded', async () => {
  const { api } = opened;
  await api.post('/nodes/pve/network', { iface: 'vmbr7', type: 'bridge', cidr: '10.78.0.1/24' });
  expect(await names('/nodes/pve/network?type=bridge', 'iface')).toContain('vmbr7');
  await api.delete('/nodes/pve/network');
  expect(await names('/nodes/pve/network?type=bridge', 'iface')).not.toContain('vmbr7');
  await api.post('/nodes/pve/network', { iface: 'vmbr7', type: 'bridge' });
  expect(await api.task('PUT', '/nodes/pve/network')).toBe('OK');
  const { data } = await api.get('/nodes/pve/network/vmbr7');
  expect(data.active).toBe(1);
});

it('a virtual network is a bridge on every node once it is applied, and guests need the right on its own zone', async () => {
  const { api, as } = opened;
  expect((await api.post('/cluster/sdn/zones', { zone: 'lab', type: 'simple' })).status).toBe(200);
  expect((await api.post('/cluster/sdn/vnets', { vnet: 'net1', zone: 'lab' })).status).toBe(200);
  expect((await api.get('/cluster/sdn/vnets?pending=1')).data).toMatchObject([{ vnet: 'net1', state: 'new' }]);
  expect(await names('/nodes/pve2/network?type=any_bridge', 'iface')).not.toContain('net1');
  expect(await api.task('PUT', '/cluster/sdn')).toBe('OK');
  expect(await names('/nodes/pve2/network?type=any_bridge', 'iface')).toContain('net1');
  const refused = await as('leastPrivilege').put('/nodes/pve/qemu/105/config', { net1: 'virtio,bridge=net1' });
  expect(refused.reason).toBe('Permission check failed (/sdn/zones/lab/net1, SDN.Use)');
  expect((await api.delete('/cluster/sdn/zones/lab')).reason).toContain('used by vnet net1');
});

it('changes of the network of the cluster wait for the holder of the lock', async () => {
  const { api } = opened;
  const { data: token } = await api.post('/cluster/sdn/lock');
  expect((await api.post('/cluster/sdn/zones', { zone: 'lab', type: 'simple' })).reason).toBe('invalid lock token provided!');
  expect((await api.post('/cluster/sdn/zones', { zone: 'lab', type: 'simple', 'lock-token': token })).status).toBe(200);
  expect((await api.post('/cluster/sdn/rollback', { 'lock-token': token })).status).toBe(200);
  expect((await api.get('/cluster/sdn/zones')).data).toEqual([]);
});

it('an essential service is not stopped; a stopped status daemon is silent until it is started', async () => {
  const { api } = opened;
  expect(await api.task('POST', '/nodes/pve/services/pveproxy/stop')).toContain('refusing to stop essential service');
  expect(await api.task('POST', '/nodes/pve2/services/pvestatd/stop')).toBe('OK');
  expect((await api.get('/nodes/pve2/services/pvestatd/state')).data.state).toBe('dead');
  expect(await api.task('POST', '/nodes/pve2/services/pvestatd/restart')).toBe('OK');
  expect((await api.get('/nodes/pve2/services/pvestatd/state')).data.state).toBe('running');
});

it('the journal and the system log tell what tasks have done, for those with Sys.Syslog', async () => {
  const { api, as } = opened;
  await api.task('POST', '/nodes/pve/qemu/104/status/start');
  expect((await api.get('/nodes/pve/journal?lastentries=5')).data.join('\n')).toContain(':qmstart:104:');
  expect((await api.get('/nodes/pve/syslog?limit=0')).data.map(({ t }: { t: string }) => t).join('\n')).toContain(':qmstart:104:');
  expect((await as('readOnly').get('/nodes/pve/journal')).reason).toBe('Permission check failed (/nodes/pve, Sys.Syslog)');
});

it('a deleted user takes tokens, groups and ACL entries along', async () => {
  const { api } = opened;
  await api.post('/access/groups', { groupid: 'team' });
  await api.post('/access/users', { userid: 'temp@pve' });
  await api.put('/access/users/temp@pve', { groups: 'team' });
  await api.post('/access/users/temp@pve/token/t1', {});
  await api.put('/access/acl', { path: '/vms/100', users: 'temp@pve', roles: 'PVEAuditor' });
  expect((await api.get('/access/groups/team')).data.members).toEqual(['temp@pve']);
  expect((await api.delete('/access/users/temp@pve')).status).toBe(200);
  expect((await api.get('/access/groups/team')).data.members).toEqual([]);
  expect((await api.get('/access/acl')).data.filter(({ ugid }: { ugid: string }) => ugid.startsWith('temp@pve'))).toEqual([]);
});

it('replication is for ZFS alone, and seen with VM.Audit on the guest', async () => {
  const { api } = opened;
  const job = { id: '100-0', target: 'pve2', type: 'local' };
  expect((await api.post('/cluster/replication', job)).reason).toBe("missing replicate feature on volume 'local-lvm:vm-100-disk-0'");
  await api.task('POST', '/nodes/pve2/qemu', { vmid: '310', scsi0: 'tank:1' });
  expect((await api.post('/cluster/replication', { id: '310-0', target: 'pve', type: 'local' })).status).toBe(200);
  expect(await names('/nodes/pve2/replication', 'id')).toEqual(['310-0']);
  expect((await opened.as('noAcl').get('/cluster/replication')).data).toEqual([]);
});

it('secrets of notification targets are not answered, and a built-in target only hides', async () => {
  const { api } = opened;
  await api.post('/cluster/notifications/endpoints/gotify', { name: 'phone', server: 'https://push.example.org', token: 'hidden-token' });
  const { text } = await api.get('/cluster/notifications/endpoints/gotify/phone');
  expect(text).not.toContain('hidden-token');
  expect(await names('/cluster/notifications/targets', 'name')).toEqual(['phone', 'mail-to-root']);
});

it('there is no Ceph, and the cluster says so', async () => {
  for (const path of ['/cluster/ceph/status', '/nodes/pve/ceph/osd'])
    expect((await opened.api.get(path)).reason).toBe('binary not installed: /usr/bin/ceph-mon');
});

it('a rule of the firewall that is moved keeps its content, and lands before the one that stood there', async () => {
  const { api } = opened;
  const rules = '/nodes/pve/qemu/104/firewall/rules';
  for (const comment of ['c', 'b', 'a']) await api.post(rules, { type: 'in', action: 'ACCEPT', comment });
  await api.put(`${rules}/0`, { moveto: '2', comment: 'ignored' });
  expect(await names(rules, 'comment')).toEqual(['b', 'a', 'c']);
});

it('rules have the digest that Proxmox VE 9.2 gives such a list, with the IP version of their addresses', async () => {
  const { api } = opened;
  const rules = '/nodes/pve/qemu/104/firewall/rules';
  const ssh = { type: 'in', action: 'ACCEPT', proto: 'tcp', dport: '22', enable: '1', comment: 'ssh' };
  const reject = { type: 'out', action: 'REJECT', dest: '10.0.0.0/8', enable: '0' };
  for (const rule of [ssh, ssh, reject, { type: 'group', action: 'nogroup' }]) await api.post(rules, rule);
  // Recorded from Proxmox VE 9.2: the SHA-1 of this list.
  expect(new Set(await names(rules, 'digest'))).toEqual(new Set(['fc1341c54b508c673696b5ce1a1b9f40d3f47212']));
  expect((await api.put(`${rules}/2`, { enable: '0', digest: 'fc1341c54b508c673696b5ce1a1b9f40d3f47212' })).status).toBe(200);
});

it('a network in a set of addresses is named by its address with the slash', async () => {
  const { api } = opened;
  const sets = '/nodes/pve/qemu/104/firewall/ipset';
  await api.post(sets, { name: 'office' });
  await api.post(`${sets}/office`, { cidr: '10.0.0.0/8' });
  expect((await api.delete(`${sets}/office/10.0.0.0%2F8`)).status).toBe(200);
  expect(await names(`${sets}/office`, 'cidr')).toEqual([]);
});
