import { fail } from '../../../core/errors/errors.ts';

/** How many devices Proxmox VE 9.2 takes of each kind. */
const PLACES = { net: 32, scsi: 31, virtio: 16, sata: 6, ide: 4 } as const;
export type Bus = keyof typeof PLACES;

/** `scsi0`, `scsi1`, … */
export function slotsOf(bus: Bus): string[] {
  return Array.from({ length: PLACES[bus] }, (_, number) => `${bus}${number}`);
}

/** @throws not_possible when all are taken */
export function freeSlot(bus: Bus, taken: ReadonlySet<string>): string {
  return (
    slotsOf(bus).find((slot) => !taken.has(slot)) ??
    fail('not_possible', `All ${PLACES[bus]} places of ${bus} are taken.`, { hint: 'Use another one, or take a device out first.' })
  );
}
