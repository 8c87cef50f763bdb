/** A number of Proxmox, which writes some of them as texts. */
type Value = number | string;

/** Undefined for an absent value. */
export function numberOf(value: Value): number;
export function numberOf(value: Value | undefined): number | undefined;
export function numberOf(value: Value | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}

/** Bytes in MiB. Undefined for an absent value. */
export function mibOf(bytes: Value): number;
export function mibOf(bytes: Value | undefined): number | undefined;
export function mibOf(bytes: Value | undefined): number | undefined {
  return bytes === undefined ? undefined : Number(bytes) / 2 ** 20;
}

/** Bytes in GiB. Undefined for an absent value. */
export function gibOf(bytes: Value): number;
export function gibOf(bytes: Value | undefined): number | undefined;
export function gibOf(bytes: Value | undefined): number | undefined {
  return bytes === undefined ? undefined : Number(bytes) / 2 ** 30;
}
