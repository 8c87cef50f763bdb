import { expect, test } from 'vitest';
import { gibOf, mibOf, numberOf } from '../../../src/core/text/sizes.ts';

test('sizes of Proxmox are bytes, sometimes written as text, and absent where it sent none', () => {
  expect([numberOf(4), numberOf('4'), numberOf(undefined)]).toEqual([4, 4, undefined]);
  expect([mibOf(2 ** 30), mibOf('1048576'), mibOf(0), mibOf(undefined)]).toEqual([1024, 1, 0, undefined]);
  expect([gibOf(2 ** 30), gibOf('1610612736'), gibOf(0), gibOf(undefined)]).toEqual([1, 1.5, 0, undefined]);
});
