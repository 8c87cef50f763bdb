import { sha256 } from '../core/hash.ts';
import type { JsonObject } from '../core/text/json.ts';
import { visibleJson, withoutPrivateKeys } from '../core/text/text.ts';

/**
 * The subject of a line of the audit.
 *
 * - `read` `dry_run` `refused`  a call that changed nothing
 * - `approval` `decision`       an approval was requested; a decision was recorded
 * - `intent` `outcome`          before a change is sent; after it ended
 * - `reconciled`                the outcome of interrupted work, found later
 * - `notice`                    something the operator should know, such as a certificate pinned on first use
 * - `recovered`                 written by the audit itself after a torn line
 * - `rotated`                   the last line of a file that was closed, and the first of the one that continues
 */
export type AuditKind =
  | 'read'
  | 'dry_run'
  | 'refused'
  | 'approval'
  | 'decision'
  | 'intent'
  | 'outcome'
  | 'reconciled'
  | 'notice'
  | 'recovered'
  | 'rotated';

/** One line, without what chains it. Secrets are references by the time they get here. */
export interface AuditRecord {
  kind: AuditKind;
  /** ISO time; the audit fills it in. */
  time?: string;
  operation?: string;
  principal?: string;
  owner?: string;
  channel?: string;
  client?: string | undefined;
  cluster?: string;
  args?: JsonObject;
  /** The guest it is about. */
  target?: { vmid: number; name: string; node: string; type?: string; key?: string };
  approvalId?: string;
  /** The standing approval that covered it. */
  leaseId?: string;
  runId?: string;
  planDigest?: string;
  /** Method and path of what will be or was sent. */
  requests?: string[];
  upids?: string[];
  /** How it ended or what was decided: `ok`, `succeeded`, `failed`, `unknown`, `approved`, `denied`, … */
  status?: string;
  decidedVia?: string;
  error?: { code: string; message: string };
  message?: string;
  durationMs?: number;
  /** Of the call that wrote it, where traces are sent; 32 hex digits. */
  traceId?: string;
  /** Only `recovered`: the torn line that this record closes. */
  fragment?: { bytes: number; sha256: string };
  /** Only `rotated`, in the first line of a file: the name of the file that it continues from, beside it. */
  continues?: string;
}

/** A line as it stands in the file. */
export type AuditLine = AuditRecord & { seq: number; time: string; prev: string; hash: string };

/** Where the chain stands: the number of the newest line and its hash. */
export interface Head {
  seq: number;
  hash: string;
}

export const GENESIS: Head = { seq: 0, hash: '0'.repeat(64) };

/**
 * The next line of the chain, newline included. The hash covers the exact bytes of the line before it, so that an added space or a doubled
 * key shows.
 */
export function chain(head: Head, record: AuditRecord, time: string): { line: string; head: Head } {
  const seq = head.seq + 1;
  const body = visibleJson(Object.assign({ seq, time, kind: record.kind }, record, { prev: head.hash }));
  const hash = sha256(body);
  return { line: `${body.slice(0, -1)},"hash":"${hash}"}\n`, head: { seq, hash } };
}

/** `,"hash":"…"}` at the end of a line: 75 bytes, all ASCII. */
const HASH_MEMBER = /^,"hash":"([0-9a-f]{64})"\}$/;
const HASH_MEMBER_BYTES = 75;

function hashMember(bytes: Buffer): string | undefined {
  return HASH_MEMBER.exec(bytes.toString('latin1', Math.max(0, bytes.length - HASH_MEMBER_BYTES)))?.[1];
}

/** Whether these bytes end as a line does. A line that a crash tore never does; an edited one usually does. */
export function looksWhole(bytes: Buffer): boolean {
  return hashMember(bytes) !== undefined;
}

/** Reads one line (without its newline); undefined when it is not exactly as `chain` wrote it. */
export function readLine(bytes: Buffer): AuditLine | undefined {
  const hash = hashMember(bytes);
  if (hash === undefined) return undefined;
  const length = bytes.length - HASH_MEMBER_BYTES;
  const body = Buffer.allocUnsafe(length + 1);
  bytes.copy(body, 0, 0, length);
  body[length] = 0x7d;
  if (sha256(body) !== hash) return undefined;
  try {
    return { ...(JSON.parse(body.toString('utf8')) as Omit<AuditLine, 'hash'>), hash };
  } catch {
    return undefined;
  }
}

const MAX_TEXT = 2000;
const SECRET_NAME = /pass(word|phrase|wd)?$|secret|token|credential|private.?key/i;

/** A second net below the references: members with the name of a secret are masked and long texts are cut, at any depth. */
export function safe(value: unknown, redact: (text: string) => string, name = ''): unknown {
  if (typeof value === 'string') {
    if (SECRET_NAME.test(name)) return '[redacted]';
    const text = withoutPrivateKeys(redact(value));
    return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}… (${text.length} characters)` : text;
  }
  if (Array.isArray(value)) return value.map((item) => safe(item, redact, name));
  if (value === null || typeof value !== 'object') return value;
  const object = value as Record<string, unknown>;
  // {$secret: id} is a reference, not the secret.
  if (typeof object.$secret === 'string') return { $secret: object.$secret };
  // A copy has each member as its own, even one that is called __proto__, which an assignment to an empty object would lose.
  const masked = { ...object };
  for (const key of Object.keys(masked)) masked[key] = safe(masked[key], redact, key);
  return masked;
}
