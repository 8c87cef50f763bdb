import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SEED_TOKENS } from '../../src/simulator/index.ts';
import { clientOf, openSimulator, stillClock, until } from './client.ts';

let place: Awaited<ReturnType<typeof openSimulator>>;
beforeEach(async () => {
  place = await openSimulator();
});
afterEach(() => place.close());

const rowOf = async (vmid: number) =>
  (await place.api.get('/cluster/resources?type=vm')).data.find((row: { vmid: number }) => row.vmid === vmid);

describe('one state file, several servers', () => {
  it('is one cluster: the processes see each other’s changes, and ids stay unique', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'simulator-'));
    const file = join(folder, 'cluster.sqlite');
    const servers = await Promise.all([1, 2, 3].map(() => openSimulator({ file })));
    try {
      const answers = await Promise.all(
        servers.map(({ api }, index) => api.post('/nodes/pve/qemu', { vmid: '300', name: `from-${index}` })),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 500, 500]);
      const upid = answers.find(({ status }) => status === 200)?.data as string;
      for (const { api } of servers) expect(await api.wait(upid)).toBe('OK');
      const names = await Promise.all(servers.map(async ({ api }) => (await api.get('/nodes/pve/qemu/300/config')).data.name));
      expect(new Set(names).size).toBe(1);
    } finally {
      for (const server of servers) await server.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('outlives its servers: a task continues without them, and its effect is there for the next', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'simulator-'));
    const file = join(folder, 'cluster.sqlite');
    const clock = stillClock();
    const still = { file, now: clock.now, timeScale: 1 };
    const first = await openSimulator(still);
    const { data: upid } = await first.api.post('/nodes/pve/qemu/9000/clone', { newid: '301', name: 'clone' });
    expect((await first.api.get('/nodes/pve/qemu/301/config')).data.lock).toBe('clone');
    await first.close();
    clock.pass(5_000);
    const second = await openSimulator({ ...still, seed: 'empty' });
    try {
      expect(await second.api.wait(upid)).toBe('OK');
      expect((await second.api.get('/nodes/pve/qemu/301/config')).data).toMatchObject({ name: 'clone' });
    } finally {
      await second.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('/cluster/resources', () => {
  it('shows a new guest without a name until the status daemon comes round', async () => {
    const clock = stillClock();
    const other = await openSimulator({ now: clock.now, timeScale: 1 });
    try {
      const row = async () => (await other.api.get('/cluster/resources?type=vm')).data.find(({ vmid }: { vmid: number }) => vmid === 300);
      const { data: upid } = await other.api.post('/nodes/pve/qemu', { vmid: '300', name: 'fresh' });
      expect(await row()).toEqual({ id: 'qemu/300', type: 'qemu', vmid: 300, node: 'pve', lock: 'create', status: 'unknown' });
      clock.pass(2_000);
      expect(await other.api.wait(upid)).toBe('OK');
      expect(await row()).toEqual({ id: 'qemu/300', type: 'qemu', vmid: 300, node: 'pve', status: 'unknown' });
      clock.pass(10_000);
      expect(await row()).toMatchObject({ name: 'fresh', status: 'stopped' });
      await other.api.put('/nodes/pve/qemu/300/config', { name: 'renamed', tags: 'now' });
      expect(await row()).toMatchObject({ name: 'fresh', tags: 'now' });
      clock.pass(10_000);
      expect(await row()).toMatchObject({ name: 'renamed' });
    } finally {
      await other.close();
    }
  });

  it('answers for ten thousand guests', async () => {
    const many = await openSimulator({ seed: { guests: 10_000 } });
    try {
      expect((await many.api.get('/cluster/resources?type=vm')).data).toHaveLength(10_000);
      expect((await many.as('leastPrivilege').get('/cluster/resources?type=vm')).data).toEqual([]);
    } finally {
      await many.close();
    }
  });
});

describe('two nodes', () => {
  it('answer for each other, and a guest is on one of them', async () => {
    expect((await place.api.get('/nodes/pve2/qemu/101/config')).status).toBe(200);
    expect((await place.api.get('/nodes/pve/qemu/101/config')).reason).toBe(
      "Configuration file 'nodes/pve/qemu-server/101.conf' does not exist",
    );
  });

  it('exchange guests: offline with their disks, online only where nothing is local', async () => {
    expect(await place.api.task('POST', '/nodes/pve/qemu/104/migrate', { target: 'pve2' })).toBe('OK');
    expect((await place.api.get('/nodes/pve2/qemu/104/config')).status).toBe(200);
    expect((await place.api.post('/nodes/pve/qemu/100/migrate', { target: 'pve2' })).reason).toBe(
      "can't migrate running VM without --online",
    );
    expect(await place.api.task('POST', '/nodes/pve/qemu/100/migrate', { target: 'pve2', online: '1' })).toBe('migration aborted');
    expect(await place.api.task('POST', '/nodes/pve/qemu/105/migrate', { target: 'pve2' })).toBe('OK');
    expect((await place.api.get('/nodes/pve2/storage/local-lvm/content?vmid=105')).data).toHaveLength(2);
  });

  it('clone across only on shared storage', async () => {
    const refused = await place.api.post('/nodes/pve/qemu/9000/clone', { newid: '300', full: '1', target: 'pve2' });
    expect(refused.reason).toBe("can't clone VM to node 'pve2' (VM uses local storage)");
    expect(await place.api.task('POST', '/nodes/pve/qemu/9001/clone', { newid: '300', target: 'pve2' })).toBe('OK');
    expect((await place.api.get('/nodes/pve2/qemu/300/config')).data.scsi0).toMatch(
      /^nas:9001\/base-9001-disk-0.qcow2\/300\/vm-300-disk-0.qcow2/,
    );
  });
});

describe('locks', () => {
  it('make a second operation wait, ten seconds at most', async () => {
    const { data: shutdown } = await place.api.post('/nodes/pve/qemu/103/status/shutdown', { timeout: '12000' });
    const refused = await place.api.put('/nodes/pve/qemu/103/config', { description: 'x' });
    expect(refused.reason).toBe("can't lock file '/var/lock/qemu-server/lock-103.conf' - got timeout");
    expect(await place.api.task('POST', '/nodes/pve/qemu/103/status/stop', { 'overrule-shutdown': '1' })).toBe('OK');
    expect(await place.api.wait(shutdown)).toBe('received interrupt');
  });

  it('let a change through that came soon enough', async () => {
    const { data: upid } = await place.api.post('/nodes/pve/qemu/105/status/start');
    expect((await place.api.put('/nodes/pve/qemu/105/config', { description: 'waited' })).status).toBe(200);
    expect(await place.api.wait(upid)).toBe('OK');
  });
});

describe('high availability', () => {
  it('takes the request and acts on its own', async () => {
    const { data: upid } = await place.api.post('/nodes/pve/qemu/102/status/stop');
    expect(upid).toMatch(/:hastop:102:/);
    expect(await place.api.wait(upid)).toBe('OK');
    await until(async () => (await place.api.get('/nodes/pve/qemu/102/status/current')).data.status === 'stopped');
    expect(await rowOf(102)).toMatchObject({ hastate: 'stopped' });
    expect((await place.api.delete('/nodes/pve/qemu/102')).reason).toBe(
      'unable to remove VM 102 - used in HA resources and purge parameter not set.',
    );
    expect(await place.api.task('DELETE', '/nodes/pve/qemu/102?purge=1')).toBe('OK');
    expect((await place.api.get('/cluster/ha/resources')).data).toEqual([]);
  });
});

describe('containers', () => {
  it('are made, started, addressed, changed, stopped and destroyed', async () => {
    const { api } = place;
    const template = 'local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst';
    const wanted = {
      vmid: '300',
      ostemplate: template,
      rootfs: 'local-lvm:4',
      hostname: 'ct',
      net0: 'name=eth0,bridge=vmbr0,ip=10.77.0.9/24',
      unprivileged: '1',
    };
    expect(await api.task('POST', '/nodes/pve/lxc', wanted)).toBe('OK');
    expect((await api.get('/nodes/pve/lxc/300/config')).data).toMatchObject({
      hostname: 'ct',
      unprivileged: 1,
      rootfs: 'local-lvm:vm-300-disk-0,size=4G',
    });
    expect(await api.task('POST', '/nodes/pve/lxc/300/status/start')).toBe('OK');
    expect((await api.post('/nodes/pve/lxc/300/status/start')).reason).toBe('CT 300 already running');
    expect((await api.get('/nodes/pve/lxc/300/interfaces')).data[1]).toMatchObject({ name: 'eth0', inet: '10.77.0.9/24' });
    await api.put('/nodes/pve/lxc/300/config', { memory: '1024' });
    expect((await api.get('/nodes/pve/lxc/300/status/current')).data).toMatchObject({ status: 'running', maxmem: 1024 ** 3 });
    expect((await api.delete('/nodes/pve/lxc/300')).reason).toBe('unable to destroy CT 300 - container is running');
    expect(await api.task('POST', '/nodes/pve/lxc/300/status/shutdown')).toBe('OK');
    expect(await api.task('POST', '/nodes/pve/lxc/300/snapshot', { snapname: 'one' })).toBe('OK');
    expect((await api.get('/nodes/pve/lxc/300/snapshot')).data.map(({ name }: { name: string }) => name)).toEqual(['one', 'current']);
    expect(await api.task('DELETE', '/nodes/pve/lxc/300?purge=1')).toBe('OK');
    expect((await api.get('/nodes/pve/storage/local-lvm/content?vmid=300')).data).toEqual([]);
  });
});

describe('storage', () => {
  it('counts its content, and can be full', async () => {
    const avail = async () => (await place.api.get('/nodes/pve2/storage/tank/status')).data.avail;
    const before = await avail();
    expect(await place.api.task('POST', '/nodes/pve2/qemu', { vmid: '300', scsi0: 'tank:4' })).toMatch(
      /^unable to create VM 300 - .*out of space$/,
    );
    expect(await avail()).toBe(before);
    expect((await place.api.get('/nodes/pve/storage/tank/status')).errors).toEqual({ storage: 'No such storage.' });
  });

  it('keeps backups, from which a guest comes back as another', async () => {
    const { api } = place;
    expect(
      await api.task('POST', '/nodes/pve/vzdump', { vmid: '105', storage: 'nas', mode: 'stop', 'notes-template': '{{guestname}}' }),
    ).toBe('OK');
    const [backup] = (await api.get('/nodes/pve/storage/nas/content?content=backup&vmid=105')).data;
    expect(backup).toMatchObject({ vmid: 105, notes: 'dev1', subtype: 'qemu' });
    expect(await api.task('POST', '/nodes/pve/qemu', { vmid: '300', archive: backup.volid, unique: '1' })).toBe('OK');
    const [old, restored] = await Promise.all([105, 300].map(async (vmid) => (await api.get(`/nodes/pve/qemu/${vmid}/config`)).data));
    expect(restored.name).toBe(old.name);
    expect(restored.smbios1).not.toBe(old.smbios1);
  });
});

describe('the tokens of the seed', () => {
  it('have the rights that their names say', async () => {
    const status = async (token: keyof typeof SEED_TOKENS, path: string) => (await place.as(token).get(path)).status;
    expect((await place.as('noAcl').get('/nodes/pve/qemu')).data).toEqual([]);
    expect(await status('noAcl', '/nodes/pve/qemu/100/config')).toBe(403);
    expect(await status('readOnly', '/nodes/pve/qemu/100/config')).toBe(200);
    expect(await status('readOnly', '/nodes/pve/status')).toBe(200);
    expect((await place.as('readOnly').post('/nodes/pve/qemu/105/status/start')).reason).toBe(
      'Permission check failed (/vms/105, VM.PowerMgmt)',
    );
    const rows = (await place.as('leastPrivilege').get('/cluster/resources?type=vm')).data;
    expect(rows.map(({ vmid }: { vmid: number }) => vmid).sort()).toEqual([104, 105, 9000]);
  });

  it('let the least-privileged one do its work in its pool, its guest unseen until it is made', async () => {
    const clock = stillClock();
    const other = await openSimulator({ now: clock.now, timeScale: 1 });
    const agent = other.as('leastPrivilege');
    const done = async (upid: Promise<{ data: string }>) => {
      const { data } = await upid;
      clock.pass(5_000);
      return agent.wait(data);
    };
    try {
      const wanted = { vmid: '300', name: 'own', pool: 'agents', memory: '512', scsi0: 'local-lvm:4', net0: 'virtio,bridge=vmbr0' };
      const created = agent.post('/nodes/pve/qemu', wanted);
      await created;
      expect((await agent.get('/nodes/pve/qemu/300/config')).status).toBe(403);
      expect(await done(created)).toBe('OK');
      expect((await agent.put('/nodes/pve/qemu/300/config', { tags: 'mine' })).status).toBe(200);
      expect(await done(agent.post('/nodes/pve/qemu/300/status/start'))).toBe('OK');
      expect(await done(agent.post('/nodes/pve/qemu/300/status/stop'))).toBe('OK');
      expect(await done(agent.delete('/nodes/pve/qemu/300?purge=1'))).toBe('OK');
      expect((await agent.delete('/nodes/pve/qemu/300')).status).toBe(403);
    } finally {
      await other.close();
    }
  });
});

it('has a template to clone, an image to import, guests with an agent and a deaf one', async () => {
  const { api } = place;
  expect((await api.get('/nodes/pve/qemu/100/agent/network-get-interfaces')).data.result[1]['ip-addresses'][0]).toHaveProperty(
    'ip-address',
  );
  expect(await api.task('POST', '/nodes/pve/qemu/103/status/shutdown', { timeout: '2' })).toBe('VM quit/powerdown failed - got timeout');
  expect((await api.delete('/nodes/pve/qemu/106')).reason).toBe("can't remove VM 106 - protection mode enabled");
  const image = 'local:import/debian-12-genericcloud-amd64.qcow2';
  expect(
    await api.task('POST', '/nodes/pve/qemu', {
      vmid: '300',
      scsi0: `local-lvm:0,import-from=${image}`,
      ide2: 'local-lvm:cloudinit',
      ciuser: 'x',
    }),
  ).toBe('OK');
  expect((await api.get('/nodes/pve/qemu/300/config')).data.scsi0).toBe('local-lvm:vm-300-disk-0,size=3G');
  expect(await api.task('DELETE', '/nodes/pve/qemu/9001?purge=1')).toBe('OK');
});

it('starts empty on request', async () => {
  const empty = await openSimulator({ seed: 'empty' });
  try {
    expect((await empty.api.get('/cluster/resources?type=vm')).data).toEqual([]);
    expect((await clientOf(empty.simulator).get('/nodes')).data).toHaveLength(2);
  } finally {
    await empty.close();
  }
});
