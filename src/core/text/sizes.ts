/** A number of Proxmox, which writes some of them as texts. */
type Value = number | string;
/** Undefined for an absent value. */
type NumberOf<V> = number | (undefined extends V ? undefined : never);

export function numberOf<V extends Value | undefined>(value: V): NumberOf<V> {
  return (value === undefined ? undefined : Number(value)) as NumberOf<V>;
}

/** Bytes in MiB. */
export function mibOf<V extends Value | undefined>(bytes: V): NumberOf<V> {
  return (bytes === undefined ? undefined : Number(bytes) / 2 ** 20) as NumberOf<V>;
}

/** Bytes in GiB. */
export function gibOf<V extends Value | undefined>(bytes: V): NumberOf<V> {
  return (bytes === undefined ? undefined : Number(bytes) / 2 ** 30) as NumberOf<V>;
}

/** A number for an answer, with so many decimals at most. */
export function rounded(value: number, decimals: number): number {
  return Math.round(value * 10 ** decimals) / 10 ** decimals;
}

/** Whether a flag of Proxmox is on: it writes 1, true or "1". */
export function isSet(flag: unknown): boolean {
  return Number(flag ?? 0) === 1;
}
