import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { join } from 'node:path';
import { fail } from '../core/errors/errors.ts';
import { readKey, readOrMakeKey } from '../core/key-file.ts';
import type { Head } from './record.ts';

/** A signed statement: at this time the audit had `seq` records, and the newest one had this hash. */
export interface Checkpoint {
  seq: number;
  hash: string;
  /** ISO time. */
  time: string;
  /** Which key signed it: the beginning of the SHA-256 of the public key. */
  key: string;
}

const TYPE = 'proxmox-mcp-checkpoint';
const keyFile = (dataDir: string) => join(dataDir, 'audit-anchor.key');

/** Signs checkpoints with this installation's Ed25519 key (RFC 8032), made at first use. */
export interface Signer {
  sign(head: Head, time: string): string;
  publicKey: KeyObject;
}

/** @param dataDir holds `audit-anchor.key` (PKCS #8 PEM, 0600) */
export function openSigner(dataDir: string): Signer {
  const make = () => generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });
  const privateKey = privateKeyIn(dataDir, readOrMakeKey(keyFile(dataDir), make));
  const publicKey = createPublicKey(privateKey);
  const key = keyId(publicKey);
  return {
    publicKey,
    sign({ seq, hash }, time) {
      const signed = body({ seq, hash, time, key });
      return `${signed.slice(0, -1)},"sig":"${sign(null, Buffer.from(signed), privateKey).toString('base64')}"}`;
    },
  };
}

/** The public key of this installation; undefined before the first checkpoint. Creates no key. */
export function knownPublicKey(dataDir: string): KeyObject | undefined {
  const pem = readKey(keyFile(dataDir));
  return pem && createPublicKey(privateKeyIn(dataDir, pem));
}

function privateKeyIn(dataDir: string, pem: Buffer): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    return fail('invalid_configuration', `${keyFile(dataDir)} does not contain a private key in PEM form.`, {
      hint: 'Restore it from its backup. Without one, remove it and name a new place in PROXMOX_AUDIT_ANCHOR.',
      cause,
    });
  }
}

export function keyId(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')
    .slice(0, 16);
}

/**
 * Reads the checkpoint of a line, alone or after the prefix of a syslog daemon; undefined when there is none.
 * `genuine`: this key signed exactly this.
 */
export function readCheckpoint(line: string, publicKey: KeyObject): { checkpoint: Checkpoint; genuine: boolean } | undefined {
  const at = line.indexOf(`{"type":"${TYPE}"`);
  if (at === -1) return undefined;
  try {
    const { seq, hash, time, key, sig } = JSON.parse(line.slice(at)) as Checkpoint & { sig: string };
    const checkpoint = { seq, hash, time, key };
    return { checkpoint, genuine: verify(null, Buffer.from(body(checkpoint)), publicKey, Buffer.from(String(sig), 'base64')) };
  } catch {
    return undefined;
  }
}

/** The signed bytes. */
function body({ seq, hash, time, key }: Checkpoint): string {
  return JSON.stringify({ type: TYPE, seq, hash, time, key });
}
