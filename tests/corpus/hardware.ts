import type { Case } from './case.ts';

const uuid = (vmid: number) => `uuid=00000000-0000-4000-8000-${String(vmid).padStart(12, '0')}`;

/** VMs with other hardware, odd values and storages of other kinds. */
export const HARDWARE: Case[] = [
  {
    what: 'a graphics card, USB and a mapped device',
    spec: {
      vmid: 1021,
      config: {
        name: 'gaming',
        machine: 'q35',
        bios: 'ovmf',
        cores: 8,
        memory: '32768',
        balloon: 0,
        cpu: 'host,hidden=1,flags=+pcid',
        hostpci0: '0000:01:00,pcie=1,x-vga=1',
        hostpci1: 'mapping=nvme,pcie=1',
        usb0: 'host=046d:c52b',
        usb1: 'spice,usb3=1',
        vga: 'none',
        args: "-cpu 'host,+kvm_pv_unhalt'",
        hookscript: 'local:snippets/gpu.pl',
        efidisk0: 'zfs:vm-1021-disk-0,efitype=4m,size=1M',
        scsi0: 'zfs:vm-1021-disk-1,iothread=1,size=500G,ssd=1',
        hugepages: '1024',
        numa: 1,
        numa0: 'cpus=0-7,hostnodes=0,memory=32768,policy=bind',
        affinity: '0-7,16-23',
        smbios1: `${uuid(1021)},base64=1,manufacturer=QVNVUw==`,
        vmgenid: '11111111-2222-3333-4444-555555555555',
      },
    },
    disks: ['efidisk0 zfs:vm-1021-disk-0 own firmware 0.001', 'scsi0 zfs:vm-1021-disk-1 own disk 500'],
    cpu: 8,
    memory: 32768,
    sum: 500,
  },
  {
    what: 'five network devices, with and without a bridge',
    spec: {
      vmid: 1022,
      config: {
        name: 'router',
        scsi0: 'local-lvm:vm-1022-disk-0,size=4G',
        net0: 'virtio=BC:24:11:00:22:00,bridge=vmbr0,queues=4',
        net1: 'e1000=BC:24:11:00:22:01,bridge=vmbr1,tag=100,trunks=1;2;3-5',
        net2: 'vmxnet3=BC:24:11:00:22:02,bridge=vnet0,link_down=1,mtu=1450,rate=12.5',
        net3: 'model=rtl8139,macaddr=BC:24:11:00:22:03,bridge=vmbr0',
        net10: 'virtio=BC:24:11:00:22:10',
      },
    },
    disks: ['scsi0 local-lvm:vm-1022-disk-0 own disk 4'],
    sum: 4,
    shows: {
      networks: [
        { slot: 'net0', model: 'virtio', mac: 'BC:24:11:00:22:00', bridge: 'vmbr0' },
        { slot: 'net1', model: 'e1000', mac: 'BC:24:11:00:22:01', bridge: 'vmbr1', vlan: 100 },
        { slot: 'net2', model: 'vmxnet3', mac: 'BC:24:11:00:22:02', bridge: 'vnet0' },
        { slot: 'net3', model: 'rtl8139', mac: 'BC:24:11:00:22:03', bridge: 'vmbr0' },
        { slot: 'net10', model: 'virtio', mac: 'BC:24:11:00:22:10', bridge: '' },
      ],
    },
  },
  {
    what: 'two sockets, vcpus fewer than cores, limits in fractions',
    spec: {
      vmid: 1023,
      config: {
        name: 'smp',
        sockets: 2,
        cores: 6,
        vcpus: 4,
        cpulimit: '2.5',
        cpuunits: 2048,
        memory: '6144',
        shares: 500,
        scsi0: 'zfs:vm-1023-disk-0,size=1.5T',
      },
    },
    disks: ['scsi0 zfs:vm-1023-disk-0 own disk 1536'],
    cpu: 12,
    memory: 6144,
    sum: 1536,
  },
  {
    what: 'memory as a property string',
    spec: { vmid: 1024, config: { name: 'mem', memory: 'current=3072', scsi0: 'zfs:vm-1024-disk-0,size=8G' } },
    disks: ['scsi0 zfs:vm-1024-disk-0 own disk 8'],
    memory: 3072,
    sum: 8,
  },
  {
    what: 'a size in bytes and one that is not a size',
    spec: {
      vmid: 1025,
      config: {
        name: 'sizes',
        scsi0: 'zfs:vm-1025-disk-0,size=1073741824',
        scsi1: 'zfs:vm-1025-disk-1,size=large',
        scsi2: 'zfs:vm-1025-disk-2',
      },
    },
    disks: ['scsi0 zfs:vm-1025-disk-0 own disk 1', 'scsi1 zfs:vm-1025-disk-1 own disk -', 'scsi2 zfs:vm-1025-disk-2 own disk -'],
    sum: 1,
  },
  {
    what: 'drives written with file= and in another order',
    spec: {
      vmid: 1026,
      config: { name: 'keys', scsi0: 'size=9G,file=ceph:vm-1026-disk-0,discard=on', ide2: 'media=cdrom,file=local:iso/a.iso' },
    },
    disks: ['ide2 local:iso/a.iso none cdrom -', 'scsi0 ceph:vm-1026-disk-0 own disk 9'],
    sum: 9,
  },
  {
    what: 'an ISO named like a disk of the guest',
    spec: { vmid: 1027, config: { name: 'trick', ide2: 'local:iso/vm-1027-disk-0.iso,media=cdrom', scsi0: 'zfs:vm-1027-disk-0,size=1G' } },
    disks: ['ide2 local:iso/vm-1027-disk-0.iso none cdrom -', 'scsi0 zfs:vm-1027-disk-0 own disk 1'],
    sum: 1,
  },
  {
    what: 'an import image still attached',
    spec: {
      vmid: 1028,
      config: { name: 'import', scsi0: 'local:import/debian.qcow2,size=2G', scsi1: 'nfs:1028/my-own-name.qcow2,size=6G' },
    },
    disks: ['scsi0 local:import/debian.qcow2 none disk 2', 'scsi1 nfs:1028/my-own-name.qcow2 own disk 6'],
    sum: 8,
    // Its copy needs a storage that takes images.
    but: { clone: 'ambiguous' },
  },
  {
    what: 'a LUN of an iSCSI target',
    spec: { vmid: 1029, config: { name: 'lun', scsi0: 'iscsi:0.0.1.scsi-36001405abc,size=200G', scsi1: 'lun-lvm:vm-1029-disk-0,size=3G' } },
    disks: ['scsi0 iscsi:0.0.1.scsi-36001405abc none disk 200', 'scsi1 lun-lvm:vm-1029-disk-0 own disk 3'],
    sum: 203,
  },
  {
    what: 'a guest on Btrfs',
    spec: { vmid: 1030, config: { name: 'btrfs', scsi0: 'btrfs:1030/vm-1030-disk-0.raw,size=15G' } },
    disks: ['scsi0 btrfs:1030/vm-1030-disk-0.raw own disk 15'],
    sum: 15,
  },
];
