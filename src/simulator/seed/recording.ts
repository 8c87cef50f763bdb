import type { World } from '../world.ts';
import { addGuest, addNode, addStorage, addToken, addVolume, grant } from './parts.ts';
import { SEED_TOKENS } from './tokens.ts';

const MIB = 1024 ** 2;
const TOTAL = 270_553_174_016;
const USED = 33_256_984_576;
const CTIME = 1_795_387_262;

/** The one-node installation on which the answers of Proxmox VE 9.2 were recorded, as it stood at the first exchange. */
export function seedRecording(world: World): void {
  addNode(world, {
    node: 'pve',
    dns: '10.255.255.53',
    cpus: 2,
    memory: 25_276_502_016,
    rootTotal: TOTAL,
    rootUsed: USED,
    bootedAt: world.now() - 4_600_000,
  });
  const size = { total: TOTAL, base: USED };
  const everything = ['snippets', 'iso', 'import', 'images', 'rootdir', 'backup', 'vztmpl'];
  addStorage(world, { storage: 'local', type: 'dir', content: everything, path: '/var/lib/vz', ...size });
  addStorage(world, { storage: 'fast', type: 'dir', content: ['images', 'snippets'], path: '/var/lib/pve-fast', ...size });
  addStorage(world, { storage: 'isoonly', type: 'dir', content: ['iso'], path: '/var/lib/pve-isoonly', ...size });
  world.put('pool', 'testpool', { poolid: 'testpool', comment: 'test pool', vms: [], storage: [] });
  world.put('user', 'agent@pve', { userid: 'agent@pve', comment: 'api user', email: '', enable: 1, expire: 0 });
  world.put('user', 'viewer@pve', { userid: 'viewer@pve', enable: 1, expire: 0 });
  addToken(world, SEED_TOKENS.recordingFull, 0);
  addToken(world, SEED_TOKENS.recordingSeparated, 1);
  addToken(world, SEED_TOKENS.recordingAgent, 0);
  addToken(world, SEED_TOKENS.readOnly, 1);
  addToken(world, SEED_TOKENS.recordingExpired, 0, 1_600_000_000);
  grant(world, '/', 'viewer@pve', 'PVEAuditor');
  grant(world, '/', 'agent@pve', 'PVEVMAdmin');
  grant(world, '/', SEED_TOKENS.readOnly.id, 'PVEAuditor');
  grant(world, '/storage', 'agent@pve', 'PVEDatastoreUser');
  const local = { node: 'pve', ctime: CTIME };
  addVolume(world, { volid: 'local:import/guest.raw', content: 'import', format: 'raw', size: 96 * MIB, used: 96 * MIB, ...local });
  addVolume(world, {
    volid: 'local:100/vm-100-cloudinit.qcow2',
    content: 'images',
    format: 'qcow2',
    size: 4 * MIB,
    used: 266_240,
    vmid: 100,
    ...local,
  });
  addVolume(world, {
    volid: 'local:100/vm-100-disk-0.qcow2',
    content: 'images',
    format: 'qcow2',
    size: 1024 * MIB,
    used: 331_776,
    vmid: 100,
    ...local,
  });
  addGuest(world, {
    vmid: 100,
    inside: { acpi: false, agent: false },
    config: {
      name: 'vm100',
      memory: '256',
      cores: '1',
      ostype: 'l26',
      scsihw: 'virtio-scsi-pci',
      scsi0: 'local:100/vm-100-disk-0.qcow2,size=1G',
      ide2: 'local:100/vm-100-cloudinit.qcow2,media=cdrom',
      net0: 'virtio=BC:24:11:1D:29:AE,bridge=vmbr0',
      serial0: 'socket',
      boot: 'order=scsi0;ide2;net0',
      smbios1: 'uuid=ecff65a2-6e99-4349-8b45-880e742f0520',
      vmgenid: 'c335150d-4956-4328-8e19-dbf04093cc18',
      meta: `creation-qemu=10.0.2,ctime=${CTIME}`,
    },
  });
}
