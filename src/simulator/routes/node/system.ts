import { may } from '../../access/permissions.ts';
import { type Context, integer, needed, nodeOf, type Routes, seconds, task, text, Wider } from '../../context.ts';
import { refuse } from '../../errors.ts';
import type { Kinds, Run } from '../../tasks.ts';
import { VERSION } from '../version.ts';

type Row = Record<string, unknown>;

/** Units of a node with their descriptions. */
const SERVICES: Record<string, string> = {
  chrony: 'chrony, an NTP client/server',
  corosync: 'Corosync Cluster Engine',
  cron: 'Regular background program processing daemon',
  postfix: 'Postfix Mail Transport Agent',
  'proxmox-firewall': 'Proxmox nftables firewall',
  'pve-cluster': 'The Proxmox VE cluster filesystem',
  'pve-firewall': 'Proxmox VE firewall',
  'pve-ha-crm': 'PVE Cluster HA Resource Manager Daemon',
  'pve-ha-lrm': 'PVE Local HA Resource Manager Daemon',
  pvedaemon: 'PVE API Daemon',
  'pvefw-logger': 'Proxmox VE firewall logger',
  pveproxy: 'PVE API Proxy Server',
  pvescheduler: 'Proxmox VE scheduler',
  pvestatd: 'PVE Status Daemon',
  spiceproxy: 'PVE SPICE Proxy Server',
  sshd: 'OpenBSD Secure Shell server',
  'systemd-journald': 'Journal Service',
  'systemd-timesyncd': 'Network Time Synchronization',
};

/** Never stopped through the API. */
const ESSENTIAL = new Set(['pveproxy', 'pvedaemon', 'pve-cluster']);

function serviceRow(context: Context, service: string): Row {
  const silent = service === 'pvestatd' && context.world.get('silence', nodeOf(context)) !== undefined;
  const stopped = context.world.flag(`service ${nodeOf(context)} ${service}`) === 'stopped';
  const down = silent || stopped || service === 'systemd-timesyncd';
  return {
    service,
    name: service,
    desc: SERVICES[service] ?? service,
    state: down ? 'dead' : 'running',
    'active-state': down ? 'inactive' : 'active',
    'unit-state': service === 'systemd-timesyncd' ? 'not-found' : 'enabled',
  };
}

function serviceCommand(context: Context): string {
  const service = needed(context, 'service');
  const command = context.method.path.split('/').at(-1) ?? '';
  return task(context, { type: `srv${command}`, id: service, kind: 'service', args: { service, command } });
}

function finishService(run: Run): void {
  const { service, command } = run.task.args as { service: string; command: string };
  if (command === 'stop' && ESSENTIAL.has(service)) refuse(`invalid service cmd '${service} stop': refusing to stop essential service!`);
  run.world.setFlag(`service ${run.task.node} ${service}`, command === 'stop' ? 'stopped' : 'running');
  if (service === 'pvestatd' && command !== 'stop') run.world.silence(run.task.node, undefined);
  if (service === 'pvestatd' && command === 'stop') run.world.silence(run.task.node, run.at);
}

/** Lines of the journal, oldest first: those of the node's tasks, and a few of the system. */
function journalLines(context: Context): { at: number; unit: string; line: string }[] {
  const node = nodeOf(context);
  const booted = context.world.get('node', node)?.bootedAt ?? 0;
  const started = [
    { at: booted, unit: 'systemd', line: `systemd[1]: Started pve-cluster.service - The Proxmox VE cluster filesystem.` },
    { at: booted + 2_000, unit: 'pvedaemon', line: 'pvedaemon[1201]: starting 3 worker(s)' },
    { at: booted + 3_000, unit: 'pveproxy', line: 'pveproxy[1211]: starting 3 worker(s)' },
  ];
  const tasks = context.world
    .tasks(500)
    .filter((one) => one.node === node)
    .flatMap((one) => [
      { at: one.start, unit: 'pvedaemon', line: `pvedaemon[${one.pid}]: <${one.owner}> starting task ${one.upid}` },
      ...(one.state === 'done'
        ? [{ at: one.end ?? one.start, unit: 'pvedaemon', line: `pvedaemon[${one.pid}]: <${one.owner}> end task ${one.upid} ${one.exit}` }]
        : []),
    ]);
  return [...started, ...tasks].sort((a, b) => a.at - b.at);
}

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

function stamped(node: string, { at, line }: { at: number; line: string }): string {
  const day = new Date(at);
  return `${MONTHS[day.getUTCMonth()]} ${String(day.getUTCDate()).padStart(2, '0')} ${day.toISOString().slice(11, 19)} ${node} ${line}`;
}

function journal(context: Context): string[] {
  const [since, until, last] = [integer(context, 'since'), integer(context, 'until'), integer(context, 'lastentries')];
  const unit = text(context, 'service') ?? text(context, 'unit');
  const lines = journalLines(context)
    .filter(({ at }) => (since === undefined || at >= since * 1000) && (until === undefined || at <= until * 1000))
    .filter((entry) => unit === undefined || entry.unit === unit)
    .map((entry) => stamped(nodeOf(context), entry));
  const shown = last === undefined ? lines : lines.slice(-last);
  // A cursor stands before and behind the lines.
  return [`s=5eed;i=${lines.length - shown.length}`, ...shown, `s=5eed;i=${lines.length}`];
}

function syslog(context: Context): Wider {
  const moment = (name: string) => {
    const given = text(context, name);
    return given === undefined ? undefined : Date.parse(`${given.trim().replace(' ', 'T')}${given.includes(':') ? '' : 'T00:00:00'}Z`);
  };
  const [since, until, service] = [moment('since'), moment('until'), text(context, 'service')];
  const lines = journalLines(context)
    .filter(({ at }) => (since === undefined || at >= since) && (until === undefined || at <= until))
    .filter((entry) => service === undefined || entry.unit === service)
    .map((entry) => stamped(nodeOf(context), entry));
  const [start, limit] = [integer(context, 'start') ?? 0, integer(context, 'limit') ?? 50];
  const shown = lines.slice(start, limit === 0 ? undefined : start + limit).map((t, index) => ({ n: start + index + 1, t }));
  return new Wider(shown, { total: lines.length });
}

const PACKAGE = { Arch: 'amd64', Origin: 'Proxmox', Priority: 'optional', Section: 'admin' };

function versions(): Row[] {
  const row = (name: string, Version: string, more: Row = {}): Row => {
    const about = { Package: name, Title: name, Description: `the package ${name}`, CurrentState: 'Installed' };
    return { ...PACKAGE, ...about, Version, OldVersion: Version, ...more };
  };
  return [
    row('proxmox-ve', '9.2.0', { RunningKernel: '6.17.2-1-pve' }),
    row('pve-manager', VERSION.version, { ManagerVersion: `${VERSION.version}/${VERSION.repoid}` }),
    row('qemu-server', '9.2.6'),
    row('pve-container', '6.1.10'),
    row('pve-qemu-kvm', '10.1.2-4'),
  ];
}

/** Updates that wait, where the node has looked for any. */
function updates(): Row[] {
  const openssl = { Package: 'openssl', Title: 'Secure Sockets Layer toolkit', Description: 'cryptographic utility', Section: 'utils' };
  const kernel = {
    Package: 'proxmox-kernel-6.17',
    Title: 'Latest Proxmox Kernel Image',
    Description: 'kernel meta package',
    Section: 'kernel',
  };
  return [
    { ...PACKAGE, ...openssl, Origin: 'Debian', OldVersion: '3.5.1-1', Version: '3.5.1-1+deb13u1' },
    { ...PACKAGE, ...kernel, OldVersion: '6.17.2-1', Version: '6.17.4-1' },
  ];
}

const DISK = { gpt: 1, mounted: 0, osdid: -1, 'osdid-list': [], health: 'PASSED', vendor: 'ATA     ' };

function disks(context: Context): Row[] {
  const all = context.world.all('node').size > 1 || context.world.get('node', nodeOf(context))?.cards === undefined;
  if (!all) return [];
  const rows = [
    {
      ...DISK,
      devpath: '/dev/sda',
      model: 'SIMULATED_SSD_480',
      serial: 'SIM0001',
      size: 480_103_981_056,
      type: 'ssd',
      used: 'LVM',
      wearout: 97,
    },
    {
      ...DISK,
      devpath: '/dev/sdb',
      model: 'SIMULATED_HDD_2T',
      serial: 'SIM0002',
      size: 2_000_398_934_016,
      type: 'hdd',
      used: '',
      wearout: 'N/A',
    },
  ].map((row) => ({
    ...row,
    by_id_link: `/dev/disk/by-id/ata-${row.model}_${row.serial}`,
    rpm: row.type === 'ssd' ? 0 : 7_200,
    wwn: 'unknown',
  }));
  return text(context, 'type') === 'unused' ? rows.filter(({ used }) => used === '') : rows;
}

function smart(context: Context): Row {
  const disk = needed(context, 'disk');
  if (!disks(context).some(({ devpath }) => devpath === disk)) refuse(`no such disk '${disk}'`);
  if (text(context, 'healthonly') === '1') return { health: 'PASSED' };
  const attribute = (id: number, name: string, raw: string) => ({
    id: String(id).padStart(3),
    name,
    raw,
    value: 100,
    worst: 100,
    threshold: 10,
    fail: '-',
    flags: 'PO--CK',
  });
  return {
    type: 'ata',
    health: 'PASSED',
    attributes: [attribute(5, 'Reallocated_Sector_Ct', '0'), attribute(9, 'Power_On_Hours', '8760')],
  };
}

const BASE = '/nodes/{node}/services';

export const NODE_SYSTEM_KINDS: Kinds = { service: { finish: finishService }, 'apt-update': { begin: () => 1_000 } };

export const NODE_SYSTEM_ROUTES: Routes = {
  [`GET ${BASE}`]: (context) => Object.keys(SERVICES).map((service) => serviceRow(context, service)),
  [`GET ${BASE}/{service}`]: () => ['state', 'start', 'stop', 'restart', 'reload'].map((subdir) => ({ subdir })),
  [`GET ${BASE}/{service}/state`]: (context) => serviceRow(context, needed(context, 'service')),
  ...Object.fromEntries(['start', 'stop', 'restart', 'reload'].map((verb) => [`POST ${BASE}/{service}/${verb}`, serviceCommand])),
  'GET /nodes/{node}/journal': journal,
  'GET /nodes/{node}/syslog': syslog,
  'GET /nodes/{node}/apt': () => ['changelog', 'repositories', 'update', 'versions'].map((id) => ({ id })),
  'GET /nodes/{node}/apt/versions': versions,
  'GET /nodes/{node}/apt/update': updates,
  'POST /nodes/{node}/apt/update': (context) => task(context, { type: 'aptupdate', id: '', kind: 'apt-update' }),
  'GET /nodes/{node}/disks': () => ['directory', 'initgpt', 'list', 'lvm', 'lvmthin', 'smart', 'wipedisk', 'zfs'].map((name) => ({ name })),
  'GET /nodes/{node}/disks/list': disks,
  'GET /nodes/{node}/disks/smart': smart,
  'GET /nodes/{node}/disks/zfs': ({ world, params }) =>
    [...world.all('storage').values()]
      .filter((storage) => storage.type === 'zfspool' && storage.nodes?.includes(String(params.node)))
      .map(({ extra, total, base }) => ({
        name: extra?.pool,
        size: total,
        alloc: base,
        free: total - base,
        frag: 3,
        dedup: 1,
        health: 'ONLINE',
      })),
  'GET /nodes/{node}/disks/directory': () => [],
  'GET /nodes/{node}/disks/lvm': () => ({ leaf: 0, children: [] }),
  'GET /nodes/{node}/disks/lvmthin': () => [],
  'GET /nodes/{node}/dns': (context) => ({ dns1: context.world.get('node', nodeOf(context))?.dns }),
  'GET /nodes/{node}/time': ({ at }) => ({ timezone: 'UTC', time: seconds(at), localtime: seconds(at) }),
  'GET /nodes/{node}/hosts': (context) => {
    const node = context.world.get('node', nodeOf(context));
    return {
      data: `127.0.0.1 localhost.localdomain localhost\n${node?.ip} ${node?.node}\n`,
      digest: 'da39a3ee5e6b4b0d3255bfef95601890afd80709',
    };
  },
  'GET /nodes/{node}/netstat': () => [],
  'GET /nodes/{node}/subscription': ({ world, who, params }) => ({
    status: 'notfound',
    message: 'There is no subscription key',
    url: 'https://www.proxmox.com/en/proxmox-virtual-environment/pricing',
    ...(may(world, who, `/nodes/${String(params.node)}`, ['Sys.Audit']) ? { serverid: '5EED0000000000000000000000000000' } : {}),
  }),
  'GET /nodes/{node}/hardware': () => [{ type: 'pci' }, { type: 'usb' }],
  'GET /nodes/{node}/hardware/pci': () => [],
  'GET /nodes/{node}/hardware/usb': () => [],
  'GET /nodes/{node}/scan': () => ['cifs', 'iscsi', 'lvm', 'nfs', 'pbs', 'zfs'].map((method) => ({ method })),
  'GET /nodes/{node}/capabilities/qemu/migration': () => ({ 'has-dbus-vmstate': false }),
};
