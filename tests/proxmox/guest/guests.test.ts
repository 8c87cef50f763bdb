import { expect, it } from 'vitest';
import type { ProxmoxReader } from '../../../src/core/proxmox.ts';
import { listGuests } from '../../../src/proxmox/guest/guests.ts';

it('ignores the placeholder that Proxmox shows for a guest without a name', async () => {
  const rows = [
    { vmid: 108, type: 'qemu', node: 'pve', name: 'VM 108' },
    { vmid: 109, type: 'lxc', node: 'pve', name: 'CT109' },
    { vmid: 110, type: 'qemu', node: 'pve' },
    { vmid: 111, type: 'qemu', node: 'pve', name: 'vm-111' },
    { vmid: 112, type: 'lxc', node: 'pve', name: 'CT109' },
  ];
  const api = { get: async () => rows } as unknown as ProxmoxReader;
  expect((await listGuests(api)).map((guest) => guest.name)).toEqual(['', '', '', 'vm-111', 'CT109']);
});
