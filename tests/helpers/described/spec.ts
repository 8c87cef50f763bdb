/** A guest as Proxmox's answers show it; everything but the VMID has a default. */
export interface GuestSpec {
  vmid: number;
  type?: 'qemu' | 'lxc';
  node?: string;
  config?: Record<string, string | number>;
  /** Pending values by option; null deletes, `force` frees the volume too. */
  pending?: Record<string, string | number | null | 'force'>;
  running?: boolean;
  qmpstatus?: string;
  usedMib?: number;
  /** Part of its CPUs that is busy. Default: a tenth. */
  cpu?: number;
  /** Seconds. Default: an hour. */
  uptime?: number;
  ha?: string;
  pool?: string;
  snapshots?: string[];
  /** Its first snapshot was left by a task that was interrupted. */
  snapstate?: 'prepare' | 'delete';
  addresses?: string[];
  /** What the guest agent of a VM, or the host of a container, answers about its interfaces, as it is on the wire. */
  interfaces?: object[];
  /** As in the first seconds of a guest: the list of the cluster knows neither name nor sizes. */
  fresh?: boolean;
  /** The state that the list of the cluster still shows. */
  listedAs?: string;
  /** As for a token of a pool while the guest is made: 403, and absent from the list. */
  hidden?: boolean;
}

export interface StorageSpec {
  storage: string;
  type: string;
  content: string;
  availGib?: number;
  totalGib?: number;
  shared?: number;
  active?: number;
}

export interface World {
  version?: string;
  /** Default: pve and the nodes of the guests. The token may not audit a hidden one. */
  nodes?: { node: string; status?: string; maxcpu?: number; maxmem?: number; hidden?: boolean }[];
  storages?: Record<string, StorageSpec[]>;
  bridges?: Record<string, string[]>;
  pools?: string[];
  guests?: GuestSpec[];
  volumes?: { storage: string; volid: string; content: string; sizeGib?: number; vmid?: number; parent?: string; ctime?: number }[];
  /** Privileges by path. Default: all of them on `/`. */
  permissions?: Record<string, string[]>;
  /** What the simulator does not know of, by path: the data of the answer. */
  answers?: Record<string, unknown>;
}

/** A full VM: what a plan reads of it. */
export const webServer: GuestSpec = {
  vmid: 105,
  running: true,
  config: {
    name: 'web1',
    cores: 2,
    sockets: 1,
    memory: '2048',
    agent: '1',
    boot: 'order=scsi0;net0',
    scsi0: 'local-lvm:vm-105-disk-0,iothread=1,size=32G',
    ide2: 'local:iso/debian-12.iso,media=cdrom,size=600M',
    net0: 'virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=20',
    smbios1: 'uuid=11111111-1111-1111-1111-111111111111',
    vmgenid: '22222222-2222-2222-2222-222222222222',
    digest: 'a'.repeat(40),
    tags: 'prod;web',
    description: 'the shop\npassword: hunter2',
  },
  snapshots: ['before-upgrade'],
};

export const container: GuestSpec = {
  vmid: 201,
  type: 'lxc',
  running: true,
  config: {
    hostname: 'dns1',
    cores: 1,
    memory: 512,
    arch: 'amd64',
    ostype: 'debian',
    rootfs: 'local-lvm:vm-201-disk-0,size=8G',
    net0: 'name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:02,ip=dhcp',
    digest: 'c'.repeat(40),
  },
};

export const template: GuestSpec = {
  vmid: 9000,
  config: {
    name: 'debian-12-template',
    template: 1,
    cores: 2,
    memory: '1024',
    boot: 'order=scsi0',
    scsi0: 'local-lvm:base-9000-disk-0,size=3G',
    ide2: 'local-lvm:vm-9000-cloudinit,media=cdrom,size=4M',
    net0: 'virtio=BC:24:11:00:00:03,bridge=vmbr0',
    ciuser: 'debian',
    ipconfig0: 'ip=dhcp',
    sshkeys: 'ssh-ed25519%20AAAA',
    smbios1: 'uuid=99999999-9999-9999-9999-999999999999',
    digest: 'e'.repeat(40),
  },
};
