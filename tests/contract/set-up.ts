import { RECORDED_ROLES } from './recorded-roles.ts';
import type { Exchange, Recording, Stage } from './replay.ts';

interface SetUp {
  /** Number of the exchange before which it happens. */
  before: number;
  why: string;
  run(stage: Stage): Promise<void> | void;
}

const SECOND = 1_000;
const IMAGE = 'local:0,import-from=local:import/guest.raw,format=qcow2';

/** The template that the second session found: with cloud-init, from the image. */
async function makeTemplate(stage: Stage, vmid: number, name: string): Promise<void> {
  await stage.setUp('POST', '/nodes/pve/qemu', {
    vmid: String(vmid),
    name,
    memory: '256',
    cores: '1',
    ostype: 'l26',
    scsihw: 'virtio-scsi-single',
    scsi0: IMAGE,
    ide2: 'local:cloudinit',
    net0: 'virtio,bridge=vmbr0',
    serial0: 'socket',
    agent: '1',
    boot: 'order=scsi0',
    ciuser: 'admin',
    ipconfig0: 'ip=dhcp',
  });
  await stage.setUp('POST', `/nodes/pve/qemu/${vmid}/template`);
}

/** A running guest that belongs to another person. */
async function makeOther(stage: Stage): Promise<void> {
  const options = { name: 'live1', memory: '256', scsi0: IMAGE, ide2: 'local:cloudinit', serial0: 'socket' };
  await stage.setUp('POST', '/nodes/pve/qemu', { vmid: '201', ...options });
  await stage.setUp('POST', '/nodes/pve/qemu/201/status/start');
}

async function remove(stage: Stage, ...vmids: number[]): Promise<void> {
  for (const vmid of vmids) {
    if (!(await stage.exists(vmid))) continue;
    stage.pass(3 * SECOND);
    await stage.setUp('PUT', `/nodes/pve/qemu/${vmid}/config`, { protection: '0' });
    await stage.setUp('POST', `/nodes/pve/qemu/${vmid}/status/stop`);
    await stage.setUp('DELETE', `/nodes/pve/qemu/${vmid}`, { purge: '1', 'destroy-unreferenced-disks': '1' });
  }
}

/** Lets time pass until the status daemon's next round is that far away. */
const untilNextRound = (ms: number) => (stage: Stage) => {
  const period = 10 * SECOND;
  stage.pass((2 * period - ms - (stage.now() % period)) % period);
};

const booted = (before: number): SetUp => ({ before, why: 'the guest had time to boot', run: (stage) => stage.pass(10 * SECOND) });

const ORIGINAL = [101, 102, 103, 104, 106, 130, 131, 132, 133];
const RACE = 'UPID:pve:000059CA:0007A917:6B03712C:qmcreate:133:root@pam!tok:';

const transcripts: SetUp[] = [
  {
    before: 29,
    why: 'the pool has a member that does not exist',
    run: (stage) => stage.setUp('PUT', '/pools', { poolid: 'testpool', vms: '999' }),
  },
  booted(242),
  { before: 369, why: 'the guest was locked in the shell of the node', run: (stage) => stage.simulator.faults.lock(109, 'backup') },
  { before: 384, why: 'and unlocked there', run: (stage) => stage.simulator.faults.lock(109) },
  { before: 406, why: 'the start before was over', run: (stage) => stage.pass(2 * SECOND) },
  { before: 462, why: 'the start that follows the create was over', run: (stage) => stage.pass(1.2 * SECOND) },
  { before: 421, why: 'the status daemon has seen the stop', run: (stage) => stage.pass(10 * SECOND) },
  { before: 434, why: 'the upload was over', run: (stage) => stage.pass(SECOND) },
  booted(464),
  booted(546),
  {
    before: 548,
    why: 'the winner of the race, whose own answer is not recorded',
    run: (stage) => stage.setUp('POST', '/nodes/pve/qemu', { vmid: '133', name: 'race1', memory: '64' }, RACE),
  },
  {
    before: 596,
    why: 'another session, with other guests',
    run: async (stage) => {
      await remove(stage, ...ORIGINAL);
      await makeTemplate(stage, 9000, 'guest-template');
      await makeOther(stage);
    },
  },
  {
    before: 668,
    why: 'that member was taken out',
    run: (stage) => stage.setUp('PUT', '/pools', { poolid: 'testpool', vms: '999', delete: '1' }),
  },
  { before: 695, why: 'the first test guest was deleted', run: (stage) => remove(stage, 145) },
  {
    before: 703,
    why: 'an earlier session, on a node that cleans up slowly',
    run: async (stage) => {
      const live = {
        name: 'live',
        memory: '256',
        scsihw: 'virtio-scsi-single',
        net0: 'virtio,bridge=vmbr0',
        agent: '1',
        serial0: 'socket',
        ostype: 'l26',
      };
      await stage.setUp('POST', '/nodes/pve/qemu', { vmid: '130', ...live, scsi0: IMAGE.replace('local:0', 'fast:0') });
      await stage.setUp('POST', '/nodes/pve/qemu/130/status/start');
      stage.pass(10 * SECOND);
      stage.simulator.faults.add({ action: 'quick-restart' });
    },
  },
];

const AGENT = 'mcp@pve!agent';
const PLACES: [string, string][] = [
  ['/pool/agents', 'McpGuest'],
  ['/vms/9000', 'McpTemplate'],
  ['/storage/local', 'McpStore'],
  ['/storage/isoonly', 'McpIso'],
  ['/sdn/zones/localnetwork/vmbr0', 'McpNet'],
  ['/nodes/pve', 'McpNode'],
];

/** Gives or takes the entries of a path, for the user, the token or both. */
async function acl(stage: Stage, path: string, action: 'give' | 'take', whom: 'user' | 'token' | 'both' = 'both'): Promise<void> {
  const roles = PLACES.find(([place]) => place === path)?.[1] ?? '';
  const who = { ...(whom === 'token' ? {} : { users: 'mcp@pve' }), ...(whom === 'user' ? {} : { tokens: AGENT }) };
  await stage.setUp('PUT', '/access/acl', { path, roles, ...who, ...(action === 'take' ? { delete: '1' } : {}) });
}

const role = (stage: Stage, name: string, privs: string[]) => stage.setUp('PUT', `/access/roles/${name}`, { privs: privs.join(',') });

/** The role as it was when the flows were recorded: without the rights to see pools and backups. */
const ELEVEN = RECORDED_ROLES.McpGuest as string[];
const FULL = [...ELEVEN, 'VM.Config.CDROM', 'VM.Config.Cloudinit', 'Pool.Audit'];
const without = (...gone: string[]) => FULL.filter((priv) => !gone.includes(priv));
const guestRole = (before: number, why: string, privs: string[]): SetUp => ({
  before,
  why,
  run: (stage) => role(stage, 'McpGuest', privs),
});

async function prepareAgents(stage: Stage): Promise<void> {
  await stage.setUp('POST', '/pools', { poolid: 'agents', comment: 'guests of the MCP server' });
  for (const [roleid, privs] of Object.entries(RECORDED_ROLES))
    await stage.setUp('POST', '/access/roles', { roleid, privs: privs.join(',') });
  await stage.setUp('POST', '/access/users', { userid: 'mcp@pve', comment: 'MCP server' });
  await stage.setUp('POST', '/access/users/mcp@pve/token/agent', { privsep: '1' });
  for (const [path] of PLACES) await acl(stage, path, 'give');
  await makeOther(stage);
  await makeTemplate(stage, 9000, 'guest-template');
  await makeTemplate(stage, 790, 'pool-template');
  await stage.setUp('PUT', '/pools', { poolid: 'agents', vms: '790' });
  stage.pass(20 * SECOND);
}

const golden: SetUp[] = [
  { before: 1, why: 'the least-privilege set-up, a template in the pool and one outside', run: prepareAgents },
  booted(30),
  booted(135),
  { before: 172, why: 'pauses between the flows', run: (stage) => stage.pass(10 * SECOND) },
  { before: 198, why: 'the rhythm of the status daemon', run: untilNextRound(9.5 * SECOND) },
  { before: 221, why: 'the rhythm of the status daemon', run: untilNextRound(3.5 * SECOND) },
  { before: 241, why: 'the rhythm of the status daemon', run: untilNextRound(1.5 * SECOND) },
  { before: 263, why: 'the rhythm of the status daemon', run: untilNextRound(8.5 * SECOND) },
  { before: 413, why: 'the start that follows the create was over', run: (stage) => stage.pass(1.2 * SECOND) },
  {
    before: 420,
    why: 'Sys.Audit on /, not propagated',
    run: (stage) => stage.setUp('PUT', '/access/acl', { path: '/', roles: 'McpNode', users: 'mcp@pve', tokens: AGENT, propagate: '0' }),
  },
  {
    before: 421,
    why: 'an earlier session with a wider role and nothing but the fixtures',
    run: async (stage) => {
      await stage.setUp('PUT', '/access/acl', { path: '/', roles: 'McpNode', users: 'mcp@pve', tokens: AGENT, delete: '1' });
      await remove(stage, 710, 711, 712, 714, 715, 716, 718, 720, 730, 731, 733, 742);
      await role(stage, 'McpGuest', FULL);
      stage.pass(10 * SECOND);
      untilNextRound(9.9 * SECOND)(stage);
    },
  },
  {
    before: 459,
    why: 'the ISO was not there yet',
    run: (stage) => stage.setUp('DELETE', '/nodes/pve/storage/isoonly/content/isoonly:iso%2Fmcp-tiny.iso'),
  },
  booted(469),
  {
    before: 495,
    why: 'and was there then',
    run: async (stage) => {
      const path = '/nodes/pve/storage/isoonly/upload';
      await stage.send({ as: 'root@pam!tok', label: 'upload iso as root', method: 'POST', path, params: null });
      stage.pass(SECOND);
    },
  },
  guestRole(584, 'without both', without('VM.Config.Network', 'VM.Config.Cloudinit')),
  guestRole(586, 'without both', without('VM.Config.CDROM', 'VM.Config.Cloudinit')),
  guestRole(588, 'with everything', FULL),
  { before: 593, why: 'without Sys.Audit', run: (stage) => acl(stage, '/nodes/pve', 'take') },
  { before: 599, why: 'on the user alone', run: (stage) => acl(stage, '/nodes/pve', 'give', 'user') },
  { before: 600, why: 'without Sys.Audit', run: (stage) => acl(stage, '/nodes/pve', 'take', 'user') },
  {
    before: 603,
    why: 'the pool on the user alone',
    run: async (stage) => {
      await acl(stage, '/nodes/pve', 'give');
      await acl(stage, '/pool/agents', 'take', 'token');
    },
  },
  {
    before: 605,
    why: 'the pool on the token alone',
    run: async (stage) => {
      await acl(stage, '/pool/agents', 'give', 'token');
      await acl(stage, '/pool/agents', 'take', 'user');
    },
  },
  { before: 608, why: 'on both again', run: (stage) => acl(stage, '/pool/agents', 'give', 'user') },
  { before: 610, why: 'AllocateSpace alone', run: (stage) => role(stage, 'McpStore', ['Datastore.AllocateSpace']) },
  { before: 615, why: 'no entry for the storage', run: (stage) => acl(stage, '/storage/local', 'take') },
  {
    before: 620,
    why: 'the storage joins the pool, its privileges the role',
    run: async (stage) => {
      await stage.setUp('PUT', '/pools', { poolid: 'agents', storage: 'local' });
      await role(stage, 'McpGuest', [...FULL, 'Datastore.AllocateSpace', 'Datastore.Audit']);
    },
  },
  { before: 625, why: 'no entry for the bridge', run: (stage) => acl(stage, '/sdn/zones/localnetwork/vmbr0', 'take') },
  { before: 628, why: 'the start was over', run: (stage) => stage.pass(2 * SECOND) },
  { before: 629, why: 'and with it', run: (stage) => acl(stage, '/sdn/zones/localnetwork/vmbr0', 'give') },
  { before: 631, why: 'the guest made before was deleted', run: (stage) => remove(stage, 702) },
];

const breadth: SetUp[] = [
  {
    before: 102,
    why: 'the bridge there had no port, so that a VLAN could not be plugged and stayed pending',
    run: async (stage) => {
      const config = '/nodes/pve/qemu/200/config';
      await stage.setUp('PUT', config, { hotplug: 'disk' });
      await stage.setUp('PUT', config, { net0: 'virtio,bridge=vmbr0,tag=30' });
      await stage.setUp('PUT', config, { delete: 'hotplug' });
    },
  },
  booted(112),
  {
    before: 281,
    why: 'another session made a backup',
    run: (stage) => stage.setUp('POST', '/nodes/pve/vzdump', { vmid: '111', storage: 'local', compress: '0' }),
  },
  booted(618),
  {
    before: 730,
    why: 'the name of the backup is known from a list that held those of other sessions, too',
    run: async (stage) => {
      const path = '/nodes/pve/storage/local/content';
      const { body } = await stage.send({ as: 'root@pam!tok', label: '', method: 'GET', path, params: [['vmid', '240']] });
      const volids = (body as { data: { volid: string }[] }).data.map(({ volid }) => volid);
      const name = volids.flatMap((volid) => /vzdump-qemu-240-[\d_-]+/.exec(volid) ?? [])[0];
      if (name === undefined) throw new Error('guest 240 has no backup');
      stage.names.forward.set('vzdump-qemu-240-2026_11_26-09_31_09', name);
      stage.names.backward.set(name, 'vzdump-qemu-240-2026_11_26-09_31_09');
    },
  },
  {
    before: 330,
    why: 'the id of a job that was made without one is drawn at random',
    run: async (stage) => {
      const { body } = await stage.send({ as: 'root@pam!tok', label: '', method: 'GET', path: '/cluster/backup', params: null });
      const made = (body as { data: { id: string }[] }).data.find(({ id }) => id !== 'jobone')?.id;
      if (made === undefined) throw new Error('the second job is missing');
      stage.names.forward.set('e6a4cc60-4c4d-4f5e-9318-ea4634deb2d4', made);
      stage.names.backward.set(made, 'e6a4cc60-4c4d-4f5e-9318-ea4634deb2d4');
    },
  },
];

/** What the recordings presuppose but do not show: done between two exchanges, through the API or by the passing of time. */
export const SET_UP: Record<Recording, SetUp[]> = { transcripts, 'golden-flows': golden, 'breadth-flows': breadth };

/** Which privilege a role lacks at the moment, by stage. */
const lacking = new WeakMap<Stage, string>();

/**
 * The rules of the flows `lp` and `lp2`: the label of an exchange says which privilege its role lacks, and the test guest 702 (root-side
 * clean-up was not recorded) is gone once its task was looked at.
 */
export async function followRules(stage: Stage, exchange: Exchange): Promise<void> {
  if (exchange.flow?.startsWith('rights for')) return oneMore(stage, exchange);
  if (exchange.flow !== 'lp' && exchange.flow !== 'lp2') return;
  if (!exchange.path.includes('/tasks/')) await remove(stage, 702);
  const [, priv = '', name] = /^without (\S+) \((\w+)\): /.exec(exchange.label) ?? [];
  if (name === undefined && exchange.as !== AGENT) return;
  const wanted = exchange.flow === 'lp' && name !== undefined ? `${name} ${priv}` : '';
  const present = lacking.get(stage) ?? '';
  if (present === wanted) return;
  const full: Record<string, string[]> = { ...RECORDED_ROLES, McpGuest: FULL };
  const [before] = present.split(' ');
  if (before) await role(stage, before, full[before] as string[]);
  if (wanted !== '' && name !== undefined)
    await role(
      stage,
      name,
      (full[name] as string[]).filter((other) => other !== priv),
    );
  lacking.set(stage, wanted);
}

/** Labels of that flow name the one privilege that the role has more than the token of the README. */
async function oneMore(stage: Stage, exchange: Exchange): Promise<void> {
  const more = /^with (\S+): /.exec(exchange.label)?.[1];
  if (exchange.as === AGENT) await role(stage, 'McpGuest', [...ELEVEN, ...(more === undefined ? [] : [more])]);
}
