import { expect, it } from 'vitest';
import { byNumber } from '../../../src/core/text/order.ts';

it('orders names by their words, then by their numbers', () => {
  const slots = ['scsi10', 'scsi2', 'ide2', 'unused0', 'rootfs', 'mp1', 'efidisk0'];
  expect(slots.sort(byNumber)).toEqual(['efidisk0', 'ide2', 'mp1', 'rootfs', 'scsi2', 'scsi10', 'unused0']);
  expect(['vmbr1.20', 'Vmbr2', 'vmbr1.3', 'eno10'].sort(byNumber)).toEqual(['eno10', 'vmbr1.3', 'vmbr1.20', 'Vmbr2']);
});
