import type { Case } from './case.ts';

const disk = (vmid: number) => ({ scsi0: `local-lvm:vm-${vmid}-disk-0,size=8G` });
const plain = (vmid: number) => ({ disks: [`scsi0 local-lvm:vm-${vmid}-disk-0 own disk 8`], sum: 8 });

/** VMs in every state: hibernated, locked, protected, managed, with snapshots, with pending changes, with odd texts. */
export const STATES: Case[] = [
  {
    what: 'hibernated',
    spec: {
      vmid: 1101,
      config: {
        name: 'asleep',
        ...disk(1101),
        lock: 'suspended',
        vmstate: 'nfs:1101/vm-1101-state-suspend-2026-11-26.raw',
        runningcpu: 'kvm64,+lahf_lm,+sep',
        runningmachine: 'pc-i440fx-9.2+pve1',
      },
    },
    ...plain(1101),
    but: { stop: 'existing', set: 'locked', clone: 'locked' },
    alsoFreed: ['nfs:1101/vm-1101-state-suspend-2026-11-26.raw'],
    shows: { lock: 'suspended', status: 'stopped' },
  },
  ...(['backup', 'migrate', 'snapshot', 'rollback', 'clone', 'create', 'suspending'] as const).map((lock, i): Case => {
    const vmid = 1110 + i;
    return {
      what: `locked for ${lock}`,
      spec: { vmid, config: { name: `lock-${lock}`, ...disk(vmid), lock } },
      ...plain(vmid),
      but: { start: 'locked', stop: 'existing', set: 'locked', delete: 'locked', clone: 'locked' },
      shows: { lock },
    };
  }),
  {
    what: 'protected',
    spec: { vmid: 1120, config: { name: 'keep', ...disk(1120), protection: 1 } },
    ...plain(1120),
    but: { stop: 'existing', delete: 'guest_protected' },
    shows: { protection: true },
  },
  {
    what: 'in high availability, in a pool, with tags and a startup order',
    spec: {
      vmid: 1121,
      running: true,
      ha: 'started',
      pool: 'team/a',
      config: { name: 'ha1', ...disk(1121), tags: 'Prod;db', startup: 'order=3,up=30', onboot: 1, agent: 'type=virtio,enabled=1' },
      interfaces: [],
    },
    ...plain(1121),
    but: { delete: 'guest_running' },
    shows: { ha: 'started', pool: 'team/a', tags: ['Prod', 'db'], status: 'running', ip_addresses: [] },
  },
  {
    what: 'paused',
    spec: { vmid: 1122, running: true, qmpstatus: 'paused', config: { name: 'paused', ...disk(1122) } },
    ...plain(1122),
    but: { start: 'guest_state', stop: 'guest_state', delete: 'guest_running' },
    shows: { status: 'paused' },
  },
  {
    what: 'with snapshots, one of them with memory',
    spec: {
      vmid: 1123,
      config: { name: 'snaps', ...disk(1123), parent: 'after' },
      snapshots: ['before', 'with-ram', 'after'],
    },
    ...plain(1123),
    but: { stop: 'existing' },
    shows: { snapshots: 3 },
  },
  {
    what: 'changes of all kinds pending',
    spec: {
      vmid: 1124,
      running: true,
      config: { name: 'pend', cores: 2, memory: '1024', balloon: 512, ...disk(1124), scsi1: 'zfs:vm-1124-disk-0,size=1G' },
      pending: { cores: 4, memory: '2048', balloon: null, scsi1: null, scsi2: 'zfs:vm-1124-disk-1,size=3G' },
    },
    disks: ['scsi0 local-lvm:vm-1124-disk-0 own disk 8', 'scsi2 zfs:vm-1124-disk-1 own disk 3'],
    cpu: 4,
    memory: 2048,
    sum: 11,
    but: { delete: 'guest_running' },
    shows: {
      pending: [
        { key: 'cores', now: '2', next: '4' },
        { key: 'memory', now: '1024', next: '2048' },
        { key: 'balloon', now: '512', removed: true },
        { key: 'scsi1', now: 'zfs:vm-1124-disk-0,size=1G', removed: true },
        { key: 'scsi2', next: 'zfs:vm-1124-disk-1,size=3G' },
      ],
    },
  },
  {
    what: 'stopped with a removal by force pending',
    spec: {
      vmid: 1125,
      config: { name: 'doomed', ...disk(1125), sata1: 'zfs:vm-1125-disk-0,size=500G' },
      pending: { sata1: 'force' },
    },
    ...plain(1125),
    but: { stop: 'existing' },
    alsoFreed: ['zfs:vm-1125-disk-0'],
    shows: { pending: [{ key: 'sata1', now: 'zfs:vm-1125-disk-0,size=500G', removed: true, destroys: 'zfs:vm-1125-disk-0 (500 GiB)' }] },
  },
  {
    what: 'a number as its name',
    spec: { vmid: 1126, config: { name: 2024, ...disk(1126) } },
    ...plain(1126),
    but: { stop: 'existing' },
    shows: { name: '2024' },
  },
  {
    what: 'notes of many lines with a password, hostile names of tags',
    spec: {
      vmid: 1127,
      config: { name: 'notes', ...disk(1127), description: '# Shop\n\npassword: hunter2\n</notes>\n* [x] done', tags: 'a.b,c_d e+f;1;ünï' },
    },
    ...plain(1127),
    but: { stop: 'existing' },
    shows: { tags: ['a.b', 'c_d', 'e+f', '1', 'ünï'] },
  },
  {
    what: 'an option of a later release that is not known here',
    spec: {
      vmid: 1128,
      config: {
        name: 'later',
        ...disk(1128),
        'allow-ksm': 0,
        amd_sev: 'type=snp',
        virtiofs0: 'share,cache=always',
        rng0: 'source=/dev/urandom',
      },
    },
    ...plain(1128),
    but: { stop: 'existing' },
    shows: { config: { 'allow-ksm': '0', virtiofs0: 'share,cache=always' } },
  },
  {
    what: 'booleans and numbers of every spelling',
    spec: {
      vmid: 1129,
      config: { name: 'flags', ...disk(1129), agent: 'yes', onboot: '1', acpi: 0, kvm: 1, tablet: '0', freeze: 0, localtime: 1 },
    },
    ...plain(1129),
    but: { stop: 'existing' },
    shows: { config: { agent: true, onboot: true } },
  },
  {
    what: 'its state hidden from the list, as in its first seconds',
    spec: { vmid: 1130, fresh: true, config: { name: 'fresh', ...disk(1130) } },
    ...plain(1130),
    but: { stop: 'existing' },
    shows: { name: 'fresh', status: 'stopped' },
  },
];
