import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';

/** scrypt (RFC 7914) with 64 MiB of memory: a guess costs about a tenth of a second. */
const COST = { N: 2 ** 16, r: 8, p: 1, maxmem: 128 * 2 ** 20 };
export const MIN_PASSPHRASE_LENGTH = 12;

/** A passphrase as it is kept: `scrypt$N$r$p$salt$hash`. */
export async function hashPassphrase(passphrase: string): Promise<string> {
  const salt = randomBytes(16);
  const hash = await derive(passphrase, salt, COST);
  return ['scrypt', COST.N, COST.r, COST.p, salt.toString('base64'), hash.toString('base64')].join('$');
}

/** Whether it is the passphrase. Without a stored one the answer is false, after the same time. */
export async function isPassphrase(passphrase: string, stored: string | undefined): Promise<boolean> {
  const [, N, r, p, salt = '', hash = ''] = (stored ?? `scrypt$${COST.N}$${COST.r}$${COST.p}$$`).split('$');
  const given = await derive(passphrase, Buffer.from(salt, 'base64'), { N: Number(N), r: Number(r), p: Number(p), maxmem: COST.maxmem });
  const known = Buffer.from(hash, 'base64');
  return known.length === given.length && timingSafeEqual(given, known);
}

function derive(passphrase: string, salt: Buffer, cost: ScryptOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(passphrase.normalize(), salt, 32, cost, (error, key) => (error ? reject(error) : resolve(key)));
  });
}
