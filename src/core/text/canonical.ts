import canonicalize from 'canonicalize';
import { sha256 } from '../hash.ts';

/** Canonical JSON (RFC 8785): equal values give equal text, whatever the key order. Undefined members are left out. */
export function canonical(value: unknown): string {
  // The types of the package describe its ES module entry only.
  const text = (canonicalize as unknown as (v: unknown) => string | undefined)(JSON.parse(JSON.stringify(value)));
  if (text === undefined) throw new TypeError('only JSON values have a canonical form');
  return text;
}

/** SHA-256 of the canonical JSON, in hex. */
export function digestOf(value: unknown): string {
  return sha256(canonical(value));
}
