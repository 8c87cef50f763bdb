import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type * as z from 'zod';
import { fail } from '../../core/errors/errors.ts';
import { readOrMakeKey } from '../../core/key-file.ts';
import { isSecretRef } from '../../core/plan/plan.ts';
import type { JsonObject } from '../../core/text/json.ts';
import { conceal } from './conceal.ts';

/**
 * Keeps secrets out of plans, journal, approvals and audit. An argument marked as `secret` is replaced by `{$secret: id}` at
 * the entry point; the id is an HMAC under the installation's key, so equal secrets make equal plans. Values live in memory for the call that brought
 * them, and sealed (AES-256-GCM) in the store for as long as an approval or a run needs them.
 */
export interface Vault {
  /** @throws internal for a schema with a secret that would pass as plain text */
  conceal(schema: z.ZodObject, args: JsonObject): JsonObject;
  /** Ends the call that brought these arguments. */
  forget(concealed: JsonObject): void;
  /** The ids of all secrets in a value. */
  idsIn(value: unknown): string[];
  seal(id: string): { id: string; sealed: string };
  /** The value; `sealed` is what the store kept, for secrets that another process concealed. */
  reveal(id: string, sealed: string | undefined): string;
}

const KEY_BYTES = 32;

/** @param dataDir holds `secret.key` (0600), made at first use; only read when a secret turns up */
export function createVault(dataDir: string): Vault {
  /** By id; `calls`: the calls at work that brought it. */
  const values = new Map<string, { value: string; calls: number }>();
  let keys: { mac: Buffer; seal: Buffer } | undefined;
  const keyring = () => {
    if (!keys) {
      const file = join(dataDir, 'secret.key');
      const master = readOrMakeKey(file, () => randomBytes(KEY_BYTES));
      if (master.length !== KEY_BYTES)
        fail('invalid_configuration', `${file} has ${master.length} bytes, but the key must have ${KEY_BYTES}.`, {
          hint: `Restore ${file} from its backup. Without a backup, remove it. Pending approvals and runs that hold a password then fail.`,
        });
      const derive = (use: string) => Buffer.from(hkdfSync('sha256', master, '', `proxmox-mcp ${use}`, 32));
      keys = { mac: derive('secret id'), seal: derive('secret value') };
    }
    return keys;
  };
  const idOf = (value: string) => createHmac('sha256', keyring().mac).update(value).digest('hex').slice(0, 32);
  return {
    conceal(schema, args) {
      const brought = new Map<string, string>();
      const concealed = conceal(schema, args, (value) => {
        const id = idOf(value);
        brought.set(id, value);
        return { $secret: id };
      });
      for (const [id, value] of brought) values.set(id, { value, calls: (values.get(id)?.calls ?? 0) + 1 });
      return concealed;
    },
    forget(concealed) {
      if (values.size === 0) return;
      for (const id of idsIn(concealed)) {
        const known = values.get(id);
        if (known && --known.calls <= 0) values.delete(id);
      }
    },
    idsIn,
    seal(id) {
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', keyring().seal, iv);
      const body = Buffer.concat([cipher.update(values.get(id)?.value ?? lost(), 'utf8'), cipher.final()]);
      return { id, sealed: Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64') };
    },
    reveal(id, sealed) {
      const known = values.get(id);
      if (known !== undefined) return known.value;
      if (sealed === undefined) return lost();
      const bytes = Buffer.from(sealed, 'base64');
      const decipher = createDecipheriv('aes-256-gcm', keyring().seal, bytes.subarray(0, 12));
      decipher.setAuthTag(bytes.subarray(12, 28));
      try {
        return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8');
      } catch (cause) {
        return fail('interrupted', 'A secret of this request was sealed with another secret.key, so the request cannot be completed.', {
          hint: 'Call again with the secret, or restore secret.key.',
          cause,
        });
      }
    },
  };
}

function lost(): never {
  fail('interrupted', 'A secret of this request is gone, so the request cannot be completed.', { hint: 'Call again with the secret.' });
}

function idsIn(value: unknown): string[] {
  const ids = new Set<string>();
  JSON.stringify(value, (_key, v) => {
    if (isSecretRef(v)) ids.add(v.$secret);
    return v;
  });
  return [...ids];
}
