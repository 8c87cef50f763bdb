import { randomBytes } from 'node:crypto';

// Lower-case Crockford base 32: no letters that a human or a model confuses when passing an id on.
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** An unguessable id, short enough to be read aloud: `apr_` and 16 characters (80 bits). */
export function newId(prefix: 'apr' | 'run' | 'rsv' | 'lse'): string {
  return `${prefix}_${[...randomBytes(16)].map((byte) => ALPHABET[byte % 32]).join('')}`;
}
