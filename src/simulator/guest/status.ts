import type { Guest } from '../model.ts';
import { bootDiskSize, memoryOf, option, parseSize, vcpusOf } from './config.ts';

type Row = Record<string, unknown>;

/** A gauge that varies, yet is the same for all readers at one moment. */
export function wobble(seed: number, at: number, from: number, to: number): number {
  const wave = (Math.sin(seed * 7.13 + Math.floor(at / 10_000)) + 1) / 2;
  return from + wave * (to - from);
}

/** Shares of its CPUs and of its memory that a running guest uses at that moment. */
export function loadAt(guest: Guest, at: number): { cpu: number; memory: number } {
  const { cpu = [0.01, 0.2], memory = [0.2, 0.6] } = guest.inside.load ?? {};
  return { cpu: wobble(guest.vmid, at, ...cpu), memory: wobble(guest.vmid, at, ...memory) };
}

export function cpusOf(guest: Guest, hostCpus: number): number {
  const wanted = guest.type === 'lxc' ? Number(guest.config.cores ?? hostCpus) : vcpusOf(guest.config);
  return Math.min(wanted, hostCpus);
}

export function maxDisk(guest: Guest): number {
  if (guest.type === 'qemu') return bootDiskSize(guest.config);
  return parseSize(option(guest.config.rootfs ?? '', 'size') ?? '0');
}

const SETTLED_AFTER = 5_000;

/** Figures of a running guest; all zero while it is stopped. */
export function gauges(guest: Guest, at: number) {
  const seconds = guest.running ? Math.max(0, Math.floor((at - guest.running.since) / 1000)) : 0;
  const settled = guest.running !== undefined && at - guest.running.since >= SETTLED_AFTER;
  const memory = memoryOf(guest.config);
  return {
    uptime: seconds,
    cpu: settled ? loadAt(guest, at).cpu : 0,
    mem: settled ? Math.floor(loadAt(guest, at).memory * memory) : 0,
    netin: guest.running ? 110 + seconds * 40 : 0,
    netout: guest.running ? seconds * 25 : 0,
    diskread: guest.running ? 2048 + seconds * 512 : 0,
    diskwrite: guest.running ? seconds * 128 : 0,
  };
}

/** The broadcast of the status daemon about a guest; the cluster state (tags, lock, pool) is not part of it. */
export function publicRow(guest: Guest, at: number, hostCpus = Number.MAX_SAFE_INTEGER): Row {
  const { uptime, cpu, mem, netin, netout, diskread, diskwrite } = gauges(guest, at);
  return {
    name: nameOf(guest),
    status: guest.running ? 'running' : 'stopped',
    template: guest.config.template === '1' ? 1 : 0,
    cpu,
    maxcpu: cpusOf(guest, hostCpus),
    mem,
    maxmem: memoryOf(guest.config),
    ...(guest.type === 'qemu' ? { memhost: mem } : {}),
    disk: 0,
    maxdisk: maxDisk(guest),
    diskread,
    diskwrite,
    netin,
    netout,
    uptime,
  };
}

export function nameOf(guest: Guest): string {
  return (
    (guest.type === 'qemu' ? guest.config.name : guest.config.hostname) ?? (guest.type === 'qemu' ? `VM ${guest.vmid}` : `CT${guest.vmid}`)
  );
}

/** Row of a node's own guest list, which is always up to date. */
export function listRow(guest: Guest, at: number, hostCpus: number, full = false): Row {
  const { uptime, cpu, mem, netin, netout, diskread, diskwrite } = gauges(guest, at);
  const running = guest.running !== undefined;
  const row: Row = {
    vmid: guest.vmid,
    name: nameOf(guest),
    status: running ? 'running' : 'stopped',
    cpu,
    cpus: cpusOf(guest, hostCpus),
    mem,
    maxmem: memoryOf(guest.config),
    disk: 0,
    maxdisk: maxDisk(guest),
    netin,
    netout,
    uptime,
  };
  if (guest.config.tags) row.tags = guest.config.tags;
  if (guest.config.lock) row.lock = guest.config.lock;
  if (guest.config.template === '1') row.template = 1;
  if (running) row.pid = guest.running?.pid;
  if (guest.type === 'lxc')
    return { ...row, type: 'lxc', swap: 0, maxswap: Number(guest.config.swap ?? 512) * 1024 ** 2, diskread, diskwrite };
  row.memhost = mem;
  if (Object.keys(guest.config).some((key) => /^serial\d$/.test(key))) row.serial = 1;
  if (guest.config.balloon !== undefined && guest.config.balloon !== '0') {
    row.balloon_min = Number(guest.config.balloon) * 1024 ** 2;
    row.shares = Number(guest.config.shares ?? 1000);
  }
  if (running) for (const kind of ['cpu', 'io', 'memory']) for (const reach of ['full', 'some']) row[`pressure${kind}${reach}`] = 0;
  if (full) row.qmpstatus = !running ? 'stopped' : (guest.running?.halted ?? (guest.running?.paused ? 'paused' : 'running'));
  return row;
}
