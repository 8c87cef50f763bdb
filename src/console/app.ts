import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import type { Clock } from '../core/clock.ts';
import { defined } from '../core/defined.ts';
import { fail } from '../core/errors/errors.ts';
import type { Caller } from '../core/people/caller.ts';
import type { Person } from '../core/people/person.ts';
import type { Settings } from '../core/settings/settings.ts';
import { isObject } from '../core/text/json.ts';
import { plainText } from '../core/text/text.ts';
import { hasPassphrase } from '../engine/approvals/passphrase.ts';
import type { Engine } from '../engine/types.ts';
import { approvalView } from '../render/approval-view.ts';
import type { Assets } from './assets.ts';
import { backupsAnswers, clusterAnswers } from './cluster.ts';
import { denyAllOf } from './deny-all.ts';
import { guestDetail } from './guest.ts';
import { createLiveFeed, liveStream } from './live.ts';
import type { Logins } from './login.ts';
import { openRunView, outcomeView } from './outcome.ts';
import { problemOf, readersOf } from './read.ts';
import { hostOf, protect, refuse, sameOriginOnly } from './security.ts';
import type { Secrets, Sessions } from './sessions.ts';
import { auditView, verification } from './trail.ts';
import type { LoginsView, SessionView } from './wire.ts';

export interface ConsoleOptions {
  engine: Engine;
  settings: Pick<Settings, 'limits' | 'clusters' | 'auditFile' | 'auditAnchor' | 'dataDir' | 'demo'>;
  logins: Logins;
  sessions: Sessions;
  /** Origins under which browsers reach the page, e.g. `http://127.0.0.1:4100`; everything else is refused. */
  origins: () => string[];
  assets: Assets;
  clock: Clock;
  /** Where it is mounted, without a slash at the end: `/console`. Default: at the root. */
  basePath?: string;
  /** Milliseconds between two looks at the store while a page is open. Default 1000. */
  pollMs?: number;
}

/** The token of the page travels in this header with every request. */
export const TOKEN_HEADER = 'X-Console-Token';
const MAX_BODY_BYTES = 16 * 1024;

/** The facts about a connection that the console needs. */
interface From {
  /** Address of the client. */
  peer: string;
  /** The host that the browser asked for, where a proxy put it elsewhere than into the Host header. */
  host?: string;
}

type Vars = { Variables: { person: Person; caller: Caller; secrets: Secrets }; Bindings: From };

export interface ConsoleApp {
  fetch(request: Request, from: From): Response | Promise<Response>;
  /** Ends the background work. */
  close(): void;
}

/**
 * The page on which a human decides, as an app to be served alone or mounted by the HTTP server. It only translates: everything that it shows
 * and does goes through the engine.
 */
export function createConsole(options: ConsoleOptions): ConsoleApp {
  const { engine, settings, logins, sessions, origins, assets, clock } = options;
  const base = options.basePath ?? '';
  const app = new Hono<Vars>({ strict: false }).basePath(base || '/');
  const feed = createLiveFeed(engine, clock, options.pollMs ?? 1000);

  app.use(...protect, sameOriginOnly(origins));
  app.use(
    bodyLimit({
      maxSize: MAX_BODY_BYTES,
      onError: (c) =>
        refuse(c, 413, { code: 'too_large', message: `A request may have at most ${MAX_BODY_BYTES} bytes.`, hint: 'Send less text.' }),
    }),
  );
  app.onError((thrown, c) => {
    const problem = problemOf(thrown);
    return refuse(c, problem.code === 'internal' ? 500 : 422, problem);
  });
  app.notFound((c) => refuse(c, 404, { code: 'not_found', message: 'Not found.', hint: 'Go to the start of the console.' }));

  for (const name of ['app.js', 'app.css', 'icon.svg'] as const) app.get(`/${name}`, (c) => send(c, assets[name]));
  app.get('/', (c) => (new URL(c.req.url).pathname === base ? c.redirect(`${base}/`) : send(c, assets['index.html'])));
  app.get('/api/logins', (c) => c.json({ link: !!logins.loginWithLink, token: !!logins.loginWithToken } satisfies LoginsView));

  app.post('/api/login/link', async (c) => {
    const { secret } = await bodyOf(c);
    const person = typeof secret === 'string' ? await logins.loginWithLink?.(secret) : undefined;
    const message = 'This link is invalid, expired or already used.';
    return person ? welcome(c, person) : refuse(c, 401, { code: 'login_refused', message, hint: NEW_LINK });
  });
  app.post('/api/login/token', async (c) => {
    const { token, passphrase } = await bodyOf(c);
    const given = typeof token === 'string' && typeof passphrase === 'string';
    const person = given ? await logins.loginWithToken?.(token, passphrase, c.env.peer) : undefined;
    const refusal = { code: 'login_refused', message: 'Wrong token or passphrase.', hint: TRY_AGAIN };
    return person ? welcome(c, person) : refuse(c, 401, refusal);
  });

  app.use('/api/*', async (c, next) => {
    const secrets = { cookie: getCookie(c, cookieName(c)) ?? '', token: c.req.header(TOKEN_HEADER) ?? '' };
    const person = await sessions.find(secrets, { touch: !c.req.path.endsWith('/api/live') });
    const hint = logins.loginWithLink ? NEW_LINK : LOG_IN;
    if (!person) return refuse(c, 401, { code: 'signed_out', message: 'Not logged in, or the session has ended.', hint });
    c.set('person', person);
    c.set('caller', callerOf(person));
    c.set('secrets', secrets);
    await next();
  });

  app.get('/api/session', (c) => c.json(sessionView(c.var.person)));
  app.post('/api/logout', async (c) => {
    await sessions.end(c.var.secrets);
    deleteCookie(c, cookieName(c), { path: cookiePath(c), secure: isHttps(c) });
    return c.json({});
  });
  app.get('/api/live', (c) => liveStream(c, feed, async () => (await sessions.find(c.var.secrets, { touch: false })) !== undefined));
  app.get('/api/cluster', async (c) => c.json(await clusterAnswers(engine, c.var.caller, settings)));
  app.get('/api/backups', async (c) => c.json(await backupsAnswers(engine, c.var.caller)));
  app.get('/api/guests/:vmid', async (c) => {
    const readers = readersOf(engine, c.var.caller);
    const reader = readers.find(({ cluster }) => cluster === (c.req.query('cluster') ?? ''));
    const vmid = Number(c.req.param('vmid'));
    return reader && Number.isInteger(vmid) ? c.json(await guestDetail(reader, vmid)) : c.notFound();
  });
  app.get('/api/audit', async (c) => c.json(await auditView(settings.auditFile, c.req.query())));
  app.get('/api/audit/verification', async (c) => c.json(await verification(settings)));
  app.get('/api/open-runs', async (c) => c.json((await engine.openRuns.list()).map(openRunView)));
  app.post('/api/runs/:id/close', async (c) => {
    const { outcome } = await bodyOf(c);
    if (outcome !== 'done' && outcome !== 'not-done')
      return fail('invalid_arguments', 'The outcome must be done or not-done.', { hint: 'Check the guest in Proxmox first.' });
    const run = await engine.openRuns.close(c.req.param('id'), outcome, c.var.caller);
    return c.json({ status: run.status });
  });
  app.get('/api/runs/:id', async (c) => {
    const result = await engine.perform('get_task', { run_id: c.req.param('id') }, c.var.caller);
    return c.json(outcomeView(result));
  });

  app.get('/api/approvals/:id', async (c) => {
    const found = await engine.approval(c.req.param('id'));
    if (found) return c.json(approvalView(found));
    return refuse(c, 404, { code: 'not_found', message: 'This approval does not exist.', hint: 'Look for it in the audit.' });
  });
  app.post('/api/approvals/deny-all', async (c) => {
    const { principal, reason } = await bodyOf(c);
    if (typeof principal !== 'string' || principal === '')
      return fail('invalid_arguments', 'The requester is missing.', { hint: 'Choose a group of the list.' });
    const requests = { principal, until: clock.now(), ...defined({ reason: reasonOf(reason) }) };
    return c.json({ denied: await denyAllOf(engine, requests, c.var.caller) });
  });
  app.post('/api/approvals/:id/approve', async (c) => {
    const { typed, passphrase } = await bodyOf(c);
    const id = c.req.param('id');
    const answer = {
      approvalId: id,
      via: 'human' as const,
      typed: typeof typed === 'string' ? typed : '',
      ...(typeof passphrase === 'string' && passphrase !== '' ? { passphrase } : {}),
    };
    // Not waited for: the live stream shows the outcome to every open page.
    const result = await engine.perform('approve', { approval_id: id }, c.var.caller, { answer, wait: 0 });
    return c.json({ status: result.kind });
  });
  app.post('/api/approvals/:id/deny', async (c) => {
    const { reason } = await bodyOf(c);
    await engine.perform('deny', { approval_id: c.req.param('id'), ...defined({ reason: reasonOf(reason) }) }, c.var.caller);
    return c.json({ status: 'denied' });
  });

  async function welcome(c: Context, person: Person): Promise<Response> {
    const { cookie, token } = await sessions.begin(person);
    setCookie(c, cookieName(c), cookie, { path: cookiePath(c), httpOnly: true, sameSite: 'Strict', secure: isHttps(c) });
    return c.json({ token, session: sessionView(person) });
  }

  /** Cookies of one host are shared by all its ports: two consoles on one machine keep theirs apart by name. */
  function cookieName(c: Context): string {
    const [prefix, scheme, usual] = isHttps(c) ? ['__Host-', 'https', '443'] : ['', 'http', '80'];
    return `${prefix}proxmox-mcp-console-${new URL(`${scheme}://${hostOf(c)}`).port || usual}`;
  }

  /** The prefix __Host- demands the root; it also keeps other hosts of the domain from setting the cookie. */
  function cookiePath(c: Context): string {
    return isHttps(c) ? '/' : `${base}/`;
  }

  function isHttps(c: Context): boolean {
    return origins().some((origin) => origin === `https://${hostOf(c)}`);
  }

  function sessionView(person: Person): SessionView {
    return {
      name: plainText(person.name, 80),
      demo: settings.demo,
      needsPassphrase: person.isOperator && person.passphraseVerified !== true && hasPassphrase(settings.dataDir),
      now: clock.now(),
    };
  }

  return { fetch: app.fetch, close: feed.close };
}

const TRY_AGAIN = 'Check both and try again. After ten attempts with one token, the server checks one more every six seconds.';
const LOG_IN = 'Log in with your access token and passphrase.';
const NEW_LINK = 'Run `proxmox-mcp console` in a terminal and open the new link, or press Enter where it runs.';

function reasonOf(value: unknown): string | undefined {
  const text = typeof value === 'string' ? value.trim().slice(0, 300) : '';
  return text === '' ? undefined : text;
}

function callerOf({ name: _name, until: _until, ...person }: Person): Caller {
  return { ...person, channel: 'console', canAsk: { elicitation: false, terminal: false } };
}

function send(c: Context, { body, type }: { body: string; type: string }): Response {
  return c.body(body, 200, { 'Content-Type': type });
}

/** Anything but a JSON object counts as an empty one: every field is checked where it is read. */
async function bodyOf(c: Context): Promise<Record<string, unknown>> {
  const value: unknown = await c.req.json().catch(() => undefined);
  return isObject(value) ? value : {};
}
