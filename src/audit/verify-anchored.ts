import { createPublicKey, type KeyObject } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { fail } from '../core/errors/errors.ts';
import { plainText } from '../core/text/text.ts';
import { type Checkpoint, keyId, knownPublicKey, readCheckpoint } from './checkpoint.ts';
import { type AuditVerification, verifyAudit } from './verify.ts';

/** The audit as the checkpoints show it. */
export interface AnchorVerification {
  file: string;
  /** Genuine checkpoints. */
  checkpoints: number;
  newest?: { seq: number; time: string };
  /** Records after the newest checkpoint, not covered yet. */
  uncovered: number;
  /** Checkpoints of other keys, left out because the key was named. */
  others: number;
  /** Empty: the audit is what it was whenever a checkpoint was created. */
  problems: string[];
}

interface AnchorFile {
  file: string;
  /** The key whose checkpoints count. Without it, this installation's key counts, and any other one is a problem. */
  publicKey?: KeyObject;
}

/**
 * Checks the trail, and that it still holds every record that a checkpoint names. The trail itself shows neither that its newest lines
 * were removed nor that all of it was written again.
 * @throws audit_invalid when there is no trail, no anchor or no key to check it with; what is wrong inside is returned
 */
export async function verifyAnchored(
  auditFile: string,
  dataDir: string,
  anchor: AnchorFile,
): Promise<AuditVerification & { anchor: AnchorVerification }> {
  const publicKey = anchor.publicKey ?? knownPublicKey(dataDir);
  if (!existsSync(anchor.file))
    fail('audit_invalid', `No checkpoints exist at ${anchor.file}.`, {
      hint: 'Check PROXMOX_AUDIT_ANCHOR. No checkpoint was created yet, or the file was removed.',
    });
  if (!publicKey)
    fail(
      'audit_invalid',
      `${existsSync(auditFile) ? '' : `The audit trail ${auditFile} is missing, and `}no key to check the checkpoints was found.`,
      {
        hint: 'Name it with --public-key. `proxmox-mcp audit public-key` prints it on the machine that wrote them.',
      },
    );
  const found = await readAnchor(anchor, publicKey);
  if (!existsSync(auditFile) && found.newest)
    fail('audit_invalid', `The audit trail ${auditFile} is missing. It had ${found.newest.seq} records on ${found.newest.time}.`, {
      hint: 'Keep the checkpoints and find out who removed or moved it.',
    });

  const { hashes, newest, ...counted } = found;
  const wrong: Checkpoint[] = [];
  const unmet = new Map(hashes);
  let end = 0;
  const verified = await verifyAudit(auditFile, ({ seq, hash }) => {
    end = Math.max(end, seq);
    unmet.delete(seq);
    for (const checkpoint of hashes.get(seq) ?? []) if (checkpoint.hash !== hash) wrong.push(checkpoint);
  });
  const problems = [...found.problems];
  if (newest && newest.seq > end)
    problems.push(
      `the trail ends with record ${end}, but had ${newest.seq} on ${newest.time}: the newest ${newest.seq - end} were removed`,
    );
  const gaps = [...unmet.values()].flat().filter(({ seq }) => seq <= end);
  if (gaps[0]) problems.push(`record ${gaps[0].seq} existed on ${gaps[0].time} and is missing now${andMore(gaps)}`);
  if (wrong[0]) problems.push(`record ${wrong[0].seq} or an earlier one changed after ${wrong[0].time}${andMore(wrong)}`);
  const summary = { ...counted, file: anchor.file, uncovered: Math.max(0, end - (newest?.seq ?? 0)), problems };
  return { ...verified, anchor: newest ? { ...summary, newest: { seq: newest.seq, time: newest.time } } : summary };
}

const andMore = (checkpoints: Checkpoint[]) =>
  checkpoints.length > 1 ? `; ${checkpoints.length - 1} other checkpoints do not match either` : '';

interface Found {
  checkpoints: number;
  others: number;
  problems: string[];
  hashes: Map<number, Checkpoint[]>;
  newest?: Checkpoint;
}

async function readAnchor({ file, publicKey: named }: AnchorFile, publicKey: KeyObject): Promise<Found> {
  const ours = keyId(publicKey);
  const found: Found = { checkpoints: 0, others: 0, problems: [], hashes: new Map() };
  const strangers = new Set<string>();
  let forged = 0;
  const handle = await open(file, 'r').catch((cause) => fail('audit_invalid', `The checkpoints at ${file} cannot be read.`, { cause }));
  for await (const line of handle.readLines()) {
    const read = readCheckpoint(line, publicKey);
    if (!read) continue;
    const { checkpoint, genuine } = read;
    if (checkpoint.key !== ours) {
      found.others += 1;
      strangers.add(plainText(String(checkpoint.key), 16));
    } else if (!genuine) forged += 1;
    else {
      found.checkpoints += 1;
      const same = found.hashes.get(checkpoint.seq) ?? [];
      if (!same.some(({ hash }) => hash === checkpoint.hash)) found.hashes.set(checkpoint.seq, [...same, checkpoint]);
      if (!found.newest || checkpoint.seq > found.newest.seq) found.newest = checkpoint;
    }
  }
  if (forged > 0) found.problems.push(`${forged} checkpoints in ${file} were changed: their signature does not match`);
  if (strangers.size > 0 && !named)
    found.problems.push(
      `${found.others} checkpoints were signed by another key (${[...strangers].join(', ')}). The key was replaced, or several installations share ${file}. Name the right key with --public-key`,
    );
  if (found.checkpoints === 0) found.problems.push(`${file} contains no checkpoint of the key ${ours}`);
  return found;
}

/** An Ed25519 public key from a PEM file. @throws invalid_arguments */
export function readPublicKey(file: string): KeyObject {
  try {
    const key = createPublicKey(readFileSync(file));
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch (cause) {
    fail('invalid_arguments', `${file} cannot be read, or is not a public key in PEM form.`, { cause });
  }
  return fail('invalid_arguments', `${file} is not an Ed25519 key.`);
}
