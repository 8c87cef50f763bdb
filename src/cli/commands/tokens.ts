import type { Audit } from '../../audit/writer.ts';
import { systemClock } from '../../core/clock.ts';
import { defined } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import { networks } from '../../core/network.ts';
import { ROLES, type Role, type Scope } from '../../core/people/caller.ts';
import { localOwner, sameOwner } from '../../core/people/owner.ts';
import { hashPassphrase } from '../../core/people/passphrase.ts';
import type { Settings } from '../../core/settings/settings.ts';
import { DAY_MS, parseDuration } from '../../core/text/duration.ts';
import { plainText } from '../../core/text/text.ts';
import { revokeToken } from '../../engine/approvals/revoke-token.ts';
import { describe } from '../../engine/limits/scope.ts';
import { newToken } from '../../http/auth/tokens.ts';
import type { Store } from '../../store/index.ts';
import type { TokenRecord } from '../../store/schema.ts';
import { localCaller } from '../lib/caller.ts';
import { openAuditOf, openLog, openStoreOf, recordNotice } from '../lib/open.ts';
import { newPassphrase } from '../lib/operator.ts';
import { configure, failUnknownCluster, type GlobalOptions } from '../lib/options.ts';
import { type Exit, isForPeople, print, printJson, printResult, printRows } from '../terminal/output.ts';

const MAX_DAYS = 3650;

interface AddOptions extends GlobalOptions {
  name: string;
  role: string;
  owner?: string;
  scope?: string;
  cidr?: string;
  expires: string;
  trustClient?: true;
}

/** `tokens add`: creates an access token and shows it once. Only its hash is kept. */
export async function add(options: AddOptions): Promise<Exit> {
  const now = new Date();
  const role = options.role as Role;
  if (!ROLES.includes(role)) fail('invalid_arguments', `--role must be one of ${ROLES.join(', ')}.`);
  if (!/^[A-Za-z0-9][\w.@+-]{0,63}$/.test(options.name))
    fail('invalid_arguments', '--name must have at most 64 letters, digits and . _ @ + -, and begin with a letter or digit.');
  const scope = options.scope === undefined ? undefined : parseScope(options.scope, configure(options).settings);
  if (scope && role === 'approver') fail('invalid_arguments', '--scope does not apply to an approver, who sees every approval.');
  if (options.trustClient && role !== 'operator')
    fail('invalid_arguments', '--trust-client applies to the role operator only, which alone requests approvals.');
  const cidrs = (options.cidr ?? '').split(',').flatMap((text) => text.trim() || []);
  // An empty list would mean any network, which a caller who gave --cidr did not mean.
  if (options.cidr !== undefined && cidrs.length === 0) fail('invalid_arguments', '--cidr is empty. Leave it out to allow all networks.');
  networks(cidrs);
  const owner = (options.owner ?? localOwner()).normalize('NFC');
  if (owner === '' || plainText(owner, 200) !== owner)
    fail('invalid_arguments', '--owner must have at most 200 visible characters, without spaces around them.');
  const { token, id, hash } = newToken();
  const shown = {
    id,
    name: options.name,
    owner,
    role,
    ...defined({ scope }),
    cidrs,
    trustsClient: options.trustClient === true,
    createdAt: now.toISOString(),
    expiresAt: expiry(options.expires, now).toISOString(),
  };
  return withStore(options, async (store, audit) => {
    const subject = `access token ${shown.name} (${role}, owner ${owner})`;
    // The notice comes first: a token that is not in the audit must not exist.
    await recordNotice(audit, `${subject} is created, valid until ${shown.expiresAt}`);
    if (!(await store.tokens.add({ ...shown, hash }))) {
      await recordNotice(audit, `${subject} was not created: the name is taken`);
      fail('conflict', `A token named ${shown.name} exists.`, {
        hint: 'Choose another name. The name of a revoked token stays taken, to keep the audit unambiguous.',
      });
    }
    if (!isForPeople()) printJson({ token, ...shown });
    else {
      print(`${token}\n\nThis is shown once. ${role} ${shown.name}, owner ${owner}, valid until ${shown.expiresAt}.`);
      print(`Use it: Authorization: Bearer TOKEN, or PROXMOX_MCP_TOKEN=… proxmox-mcp connect URL`);
      if (role === 'operator' && sameOwner(owner, localOwner()))
        print(`${owner} cannot approve its requests. Another owner must, or give the token its own owner with --owner.`);
      if (role === 'approver' && !(await store.principals.passphrase(owner)))
        print(`To decide, ${owner} also needs a passphrase: proxmox-mcp tokens passphrase ${owner}`);
    }
    return 0;
  });
}

/** `tokens list` */
export async function list(options: GlobalOptions): Promise<Exit> {
  return withStore(options, async (store) => {
    const tokens = await store.tokens.list();
    const now = new Date().toISOString();
    const stateOf = ({ revokedAt, expiresAt }: Omit<TokenRecord, 'hash'>) =>
      revokedAt ? 'revoked' : expiresAt <= now ? 'expired' : 'valid';
    const shown = tokens.map(({ hash: _hash, ...token }) => ({ ...token, state: stateOf(token) }));
    const rows = tokens.map((t) => [
      t.name,
      t.role,
      t.owner,
      stateOf(t),
      t.scope ? describe(t.scope) : 'all guests',
      t.cidrs.join(', ') || 'anywhere',
      t.expiresAt.slice(0, 16),
      t.lastUsedAt?.slice(0, 16) ?? 'never',
    ]);
    const head = ['name', 'role', 'owner', 'state', 'scope', 'from', 'expires', 'last used'];
    await printRows(shown, head, rows, 'No tokens. Create one: proxmox-mcp tokens add --name NAME --role operator');
    return 0;
  });
}

/** `tokens revoke`: the token stops working, its pending approvals are denied, and its owner is logged out of the console. */
export async function revoke(name: string, options: GlobalOptions): Promise<Exit> {
  return withStore(options, async (store, audit) => {
    const { revoked, denied } = await revokeToken(name, localCaller('cli'), { store, audit, clock: systemClock });
    const text = `${name} ${revoked ? 'is revoked' : 'was revoked before'}; ${denied.length} pending approvals are denied.`;
    printResult({ name, revoked: true, denied }, text);
    return 0;
  });
}

/** `tokens passphrase`: sets the passphrase that an approver needs beside their token. */
export async function passphrase(owner: string, options: GlobalOptions): Promise<Exit> {
  const typed = await newPassphrase(`passphrase of ${owner}`);
  return withStore(options, async (store, audit) => {
    // As the tokens spell it: a name can be typed in other letters and be the same one.
    const known = (await store.tokens.list()).find((token) => sameOwner(token.owner, owner))?.owner;
    const name = known ?? owner.normalize('NFC');
    await recordNotice(audit, `the console passphrase of ${name} is set`);
    await store.principals.setPassphrase(name, await hashPassphrase(typed), new Date().toISOString());
    await store.sessions.removeOf(name);
    printResult({ owner: name, passphrase: 'set', has_token: known !== undefined }, `The passphrase of ${name} is set.`);
    if (known === undefined && isForPeople())
      print(`No token belongs to ${name} yet: proxmox-mcp tokens add --name NAME --role approver --owner ${name}`);
    return 0;
  });
}

/** These commands need no credentials of Proxmox. */
async function withStore(options: GlobalOptions, work: (store: Store, audit: Audit) => Promise<Exit>): Promise<Exit> {
  const { settings } = configure(options);
  const log = await openLog(settings);
  const store = await openStoreOf(settings, (text) => log.warn({}, text));
  const audit = await openAuditOf(settings, log);
  try {
    return await work(store, audit);
  } finally {
    await audit.close();
    await store.close();
  }
}

/** `cluster=home,pool=a,pool=b,tag=c` */
function parseScope(text: string, settings: Settings): Scope {
  const values = { cluster: [] as string[], pool: [] as string[], tag: [] as string[] };
  for (const part of text.split(',')) {
    const [, kind, value] = /^(cluster|pool|tag)=([A-Za-z0-9_.+/-]+)$/.exec(part.trim()) ?? [];
    if (kind === undefined || value === undefined)
      fail(
        'invalid_arguments',
        `--scope takes cluster=NAME, pool=NAME and tag=NAME, separated by commas. "${part.slice(0, 60)}" is not one of these.`,
      );
    if (kind === 'cluster' && !settings.clusters?.some(({ name }) => name === value))
      failUnknownCluster(`--scope: no cluster is called ${value.slice(0, 60)}.`, settings);
    values[kind as keyof typeof values].push(value);
  }
  const given = (all: string[]) => (all.length > 0 ? all : undefined);
  return defined({ clusters: given(values.cluster), pools: given(values.pool), tags: given(values.tag) });
}

/** `90d`, `12h`, or a date. */
function expiry(text: string, now: Date): Date {
  const seconds = parseDuration(text);
  const at = seconds === undefined ? new Date(text) : new Date(now.getTime() + seconds * 1000);
  const days = (at.getTime() - now.getTime()) / DAY_MS;
  if (!(days > 0 && days <= MAX_DAYS))
    fail('invalid_arguments', '--expires must be a time such as 90d, 12h or 2027-06-30, within ten years from now.');
  return at;
}
