import { defined } from '../../core/defined.ts';
import { type ErrorCode, ProxmoxMcpError } from '../../core/errors/errors.ts';
import type { Method } from '../../core/plan/plan.ts';
import type { JsonObject } from '../../core/text/json.ts';
import { plainText, sentence } from '../../core/text/text.ts';
import { remedyFor } from '../access/grants.ts';
import { neededOf } from '../access/option-privileges.ts';
import type { Missing } from '../access/privileges.ts';
import type { WireParams } from '../guest/encode.ts';
import { meaningOf, type Refusal, SCHEMA_FAULT } from './refusals.ts';

/** The rejected request. */
export interface Asked {
  method: Method;
  path: string;
  params: WireParams;
  /** `user@realm!name` */
  tokenId: string;
}

/** An answer as it came: the reason phrase carries the message on servers before 8.4, the body on later ones. */
export interface Reply {
  status: number;
  reason: string;
  body: string;
}

interface Refused {
  error: ProxmoxMcpError;
  /** The meaning of the sentence, if it is a known one. */
  meaning?: Refusal;
}

/** Turns a refusal into an error of the catalogue. Proxmox's words stay verbatim in `details.proxmox`, except secrets that it repeats. */
export function refusalOf(reply: Reply, asked: Asked): Refused {
  const scrub = scrubber(asked.params);
  const body = parse(reply.body);
  const message = scrub(firstText(body?.message, reply.reason, `status ${reply.status}`));
  const errors = Object.fromEntries(Object.entries(body?.errors ?? {}).map(([name, text]) => [name, scrub(wordsOf(text))]));
  const proxmox: JsonObject = { status: reply.status, message, ...(Object.keys(errors).length > 0 ? { errors } : {}) };

  if (reply.status === 401) {
    return refused('authentication_failed', `Proxmox refused the API token ${asked.tokenId}: ${sentenceOf(message)}`, proxmox);
  }
  // Below /api2/json Proxmox knows no such answer to a GET: this is another server, or a proxy that leads nowhere.
  if (reply.status === 404 && asked.method === 'GET' && !body)
    return refused('unreachable', `The server there is not the API of Proxmox VE (404 for GET ${asked.path}).`, proxmox);
  const stranger = body ? undefined : strangerOf(reply);
  if (stranger) return refused('proxmox_refused', `${asked.method} ${asked.path}: ${stranger.what}`, proxmox, stranger.hint);
  // Several parameters may be wrong, in random order: one whose sentence is known says most.
  const sentence = Object.values(errors).find((text) => meaningOf(text)) ?? Object.values(errors)[0] ?? message;
  const meaning = meaningOf(sentence);
  if ((reply.status === 403 && !meaning) || meaning?.code === 'permission_denied')
    return { error: denialOf(message, deniedTo(asked), { proxmox }) };
  const named = Object.entries(errors).map(([key, words]) => `${key}: ${words}`);
  const said = named.length > 0 ? named.join('; ') : message;
  if (meaning) {
    const unknown = Object.keys(errors).filter((key) => meaningOf(errors[key] ?? '')?.code === 'unsupported_version');
    const what = unknown.length > 0 ? `This Proxmox version does not know the parameter ${unknown.join(', ')}` : said;
    return { ...refused(meaning.code, sentenceOf(what), proxmox, meaning.hint), meaning };
  }
  if (reply.status === 400 && SCHEMA_FAULT.test(sentence)) return refused('invalid_arguments', sentenceOf(said), proxmox);
  return refused('proxmox_refused', sentenceOf(said), proxmox);
}

/** Answers that Proxmox never gives, so a proxy gave them. */
function strangerOf({ status, body }: Reply): { what: string; hint: string } | undefined {
  if (status >= 300 && status < 400)
    return {
      what: `the answer is a redirect (${status}), as of a login page in front of Proxmox.`,
      hint: 'Set PROXMOX_HOST and PROXMOX_PORT to the node itself, usually port 8006, or let the proxy pass API tokens on.',
    };
  if (status === 429)
    return {
      what: 'a proxy in front of Proxmox limits the requests (429).',
      hint: 'Wait a minute, then call again. The operator can raise the limit of the proxy.',
    };
  if (status === 403 && /^\s*<(!doctype|html)/i.test(body))
    return {
      what: 'a proxy or firewall in front of Proxmox refused the request with a page of its own (403).',
      hint: 'The operator lets this server through there, or sets PROXMOX_HOST to the node itself.',
    };
  return undefined;
}

function refused(code: ErrorCode, message: string, proxmox: JsonObject, hint?: string): Refused {
  return { error: new ProxmoxMcpError(code, message, { details: { proxmox }, ...defined({ hint }) }) };
}

/** Facts about a refused request beside Proxmox's words. */
interface Refused403 {
  tokenId: string;
  /** VMID of the guest that is being created, and the pool that it is made in. */
  newVmid?: string;
  pool?: string;
  /** Names of the parameters that were sent. */
  names?: string[];
}

/**
 * A missing privilege in Proxmox's words, of an answer or of the exit status of a task: `Permission check failed (/vms/100, VM.PowerMgmt)`. There are
 * variants with alternatives (`A|B`), more words (`(/, Sys.Modify for modifying tag 'vip')`), no path (`(, Pool.Allocate)`), and nothing in
 * parentheses.
 */
export function denialOf(words: string, about: Refused403, details: JsonObject): ProxmoxMcpError {
  const [, path, privileges = '', more = ''] = /Permission check failed \(([^,()]*), ([\w.|]+)([^)]*)\)/.exec(words) ?? [];
  const alternatives = privileges.split('|');
  const needed = neededOf(alternatives, about.names ?? []);
  const sets = needed.length > 0 ? needed.map((one) => [one]) : [alternatives];
  const named = path ? sets.map((set) => ({ path, privileges: set, ...placeOfGuest(path, about) })) : [];
  const missing: Missing[] = path === undefined ? unnamed(words, about) : named;
  const what = alternatives.join(' or ');
  const where = missing.map((one) => `${one.privileges.join(' or ')} on ${one.path}`).join('; ');
  // A token that sees a guest knows that it exists.
  const same = missing.some((one) => one.path.startsWith('/vms/') && !one.isNew && one.privileges.includes('VM.Audit'));
  const text =
    where !== ''
      ? `The API token lacks ${where}${more.trimEnd()}.${same ? ' A guest that does not exist looks the same to a limited token.' : ''}`
      : what !== ''
        ? `The API token lacks ${what}. Proxmox names no path.`
        : sentenceOf(words);
  const { text: hint, lines } = remedyFor(missing, about.tokenId);
  return new ProxmoxMcpError('permission_denied', text, {
    ...(hint === '' ? {} : { hint }),
    details: { ...details, missing: missing.map((one) => ({ ...one })), ...(lines.length > 0 ? { grant: lines } : {}) },
  });
}

function placeOfGuest(path: string, { newVmid, pool }: Refused403): Pick<Missing, 'pool' | 'isNew'> {
  if (newVmid === undefined || path !== `/vms/${newVmid}`) return {};
  return { isNew: true, ...defined({ pool }) };
}

/** The bare words are those for a guest that may be created neither in the pool nor outside. */
function unnamed(words: string, { newVmid, pool }: Refused403): Missing[] {
  if (!/Permission check failed$/.test(words.trim())) return [];
  if (pool !== undefined) return [{ path: `/pool/${pool}`, privileges: ['VM.Allocate'] }];
  return newVmid === undefined ? [] : [{ path: `/vms/${newVmid}`, privileges: ['VM.Allocate'], isNew: true }];
}

function deniedTo({ method, path, params, tokenId }: Asked): Refused403 {
  const about = { tokenId, names: Object.keys(params) };
  if (method !== 'POST') return about;
  const made = path.endsWith('/clone') ? params.newid : /^\/nodes\/[^/]+\/(qemu|lxc)$/.test(path) ? params.vmid : undefined;
  return {
    ...about,
    ...(made === undefined ? {} : { newVmid: String(made) }),
    ...(typeof params.pool === 'string' ? { pool: params.pool } : {}),
  };
}

/** Proxmox repeats wrong values in its messages; those of secret parameters must not come back. */
function scrubber(params: WireParams): (text: string) => string {
  const secrets = Object.entries(params)
    .filter(([name]) => /password|secret|ticket|token/i.test(name))
    .flatMap(([, value]) => (Array.isArray(value) ? value : [String(value)]))
    .filter((value) => value !== '');
  return (text) => secrets.reduce((clean, secret) => clean.replaceAll(secret, '***'), text);
}

function parse(body: string): { message?: unknown; errors?: object } | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function firstText(...candidates: unknown[]): string {
  const found = candidates.find((text) => typeof text === 'string' && text.trim() !== '');
  return String(found).trim();
}

/** Proxmox puts a list or an object where a parameter has members of its own. */
function wordsOf(value: unknown): string {
  return (typeof value === 'string' ? value : JSON.stringify(value)).trim();
}

/** Most characters of Proxmox's words in a message; the details hold all of them. */
const MOST_WORDS = 600;

function sentenceOf(text: string): string {
  return sentence(plainText(text.replace(/\s*\n\s*/g, ' ').trim(), MOST_WORDS));
}
