import { defined } from '../../../../core/defined.ts';
import type { Params } from '../../../../core/plan/plan.ts';
import type { ProxmoxVersion } from '../../../../core/proxmox.ts';
import { formatProperties } from '../../../../proxmox/guest/property-strings.ts';
import { isFileStorage, type StorageRow, type Volume } from '../../../../proxmox/storage.ts';
import { cloudInitParams } from '../cloud-init/cloud-init.ts';
import type { CreateOne } from './input.ts';

/** The defaults of a new VM; every plan shows them. Proxmox's own defaults are smaller and slower than usual today. */
export const DEFAULTS = {
  ...{ cores: 2, sockets: 1, memoryMib: 2048, diskGib: 32 },
  ...{ scsihw: 'virtio-scsi-single', ostype: 'l26', ipconfig0: 'ip=dhcp' },
} as const;

/** Proxmox's own default (kvm64 at the API) does not boot current distributions; 7.x knows nothing better that runs on any node. */
export function defaultCpu(version: ProxmoxVersion): string {
  return version.major >= 8 ? 'x86-64-v2-AES' : 'kvm64';
}

interface Decided {
  args: CreateOne;
  storage: StorageRow;
  image: Volume | undefined;
  /** Volume id. */
  iso: string | undefined;
  diskGib: number;
  bridge: string;
  cpu: { cores: number; sockets: number };
  cpuType: string;
  pool: string | undefined;
  version: ProxmoxVersion;
}

/** The parameters of POST /nodes/{node}/qemu, and the defaults among them as choices to show. */
export function createParams(d: Decided): { params: Params; choices: string[] } {
  const { args } = d;
  const scsihw = args.scsihw ?? DEFAULTS.scsihw;
  // Raw files cannot be snapshotted, so file storages get qcow2.
  const format = isFileStorage(d.storage.type) ? { format: 'qcow2' } : {};
  const on = d.storage.storage;
  const iothread = scsihw === 'virtio-scsi-single' ? { iothread: '1' } : {};
  const source = d.image ? { volume: `${on}:0`, 'import-from': d.image.volid } : { volume: `${on}:${d.diskGib}` };
  // One CD drive each; ide2 is where Proxmox's own dialog puts the first.
  const iso = d.iso === undefined ? {} : { ide2: `${d.iso},media=cdrom` };
  const cloudInit = args.cloud_init && {
    [d.iso === undefined ? 'ide2' : 'ide0']: `${on}:cloudinit`,
    serial0: 'socket',
    // Without any address the guest would get no network at all.
    ipconfig0: DEFAULTS.ipconfig0,
    ...cloudInitParams(args.cloud_init, d.version),
  };
  const boot = d.image ? 'order=scsi0' : d.iso === undefined ? 'order=scsi0;net0' : 'order=scsi0;ide2';
  // The setup of Windows 11 refuses a machine without UEFI and a TPM 2.0. A TPM's state takes no format.
  const isWin11 = args.ostype === 'win11';
  const bios = args.bios ?? (isWin11 ? 'ovmf' : undefined);
  const tpm = isWin11 ? { machine: 'q35', tpmstate0: `${on}:1,version=v2.0` } : {};
  const net = { model: 'virtio', bridge: d.bridge, ...(args.vlan === undefined ? {} : { tag: String(args.vlan) }) };
  const params: Params = {
    name: args.name,
    cores: d.cpu.cores,
    sockets: d.cpu.sockets,
    cpu: d.cpuType,
    memory: args.memory ?? DEFAULTS.memoryMib,
    ostype: args.ostype ?? DEFAULTS.ostype,
    scsihw,
    scsi0: formatProperties({ ...source, ...format, ...iothread, discard: 'on' }, 'volume'),
    net0: formatProperties(net, 'model'),
    agent: '1',
    boot,
    ...iso,
    ...cloudInit,
    ...defined({ bios }),
    ...tpm,
    ...(bios === 'ovmf'
      ? { efidisk0: formatProperties({ volume: `${on}:1`, ...format, efitype: '4m', 'pre-enrolled-keys': '1' }, 'volume') }
      : {}),
    ...defined({ pool: d.pool, description: args.description, onboot: args.onboot, protection: args.protection }),
  };
  return {
    params,
    choices: [
      ...defaultsTaken(d),
      ...(isWin11 ? [`machine: q35, with a TPM 2.0${args.bios === undefined ? ' and bios: ovmf' : ''} (for Windows 11)`] : []),
      ...('format' in format ? ['disk format: qcow2 (raw files cannot be snapshotted)'] : []),
    ],
  };
}

function defaultsTaken({ args, cpu, cpuType, diskGib, image }: Decided): string[] {
  const taken: [unknown, string][] = [
    [args.cores, `cores: ${cpu.cores}`],
    [args.sockets, `sockets: ${cpu.sockets}`],
    [args.memory, `memory: ${DEFAULTS.memoryMib} MiB`],
    [args.disk_gb, `disk_gb: ${diskGib}${image && diskGib > DEFAULTS.diskGib ? ' (the image)' : ''}`],
    [args.cpu, `cpu: ${cpuType}`],
    [args.scsihw, `scsihw: ${DEFAULTS.scsihw}`],
    [args.ostype, `ostype: ${DEFAULTS.ostype}`],
    [args.cloud_init ? args.cloud_init.ipconfig0 : 'no cloud-init', `ipconfig0: ${DEFAULTS.ipconfig0}`],
  ];
  return taken.filter(([given]) => given === undefined).map(([, text]) => `${text} (default)`);
}
