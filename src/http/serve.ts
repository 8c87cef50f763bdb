import { readFileSync } from 'node:fs';
import { systemClock, within } from '../core/clock.ts';
import { defined } from '../core/defined.ts';
import { fail } from '../core/errors/errors.ts';
import { newSecret } from '../core/hash.ts';
import { inUrl, networks } from '../core/network.ts';
import type { HttpSettings } from '../core/settings/settings.ts';
import type { Session } from '../engine/session.ts';
import { createChangeFeed } from '../mcp/resources/changes.ts';
import { createServerFactory } from '../mcp/server.ts';
import { offeredTool } from '../mcp/tools.ts';
import { findOperation } from '../operations/find.ts';
import { operations } from '../operations/index.ts';
import type { Store } from '../store/index.ts';
import { createHttpApp } from './app.ts';
import { counted } from './calls.ts';
import { createGauges } from './gauges.ts';
import { consoleOf, gateOf, remoteCaller, untilFirstToken, verifiersOf } from './identities.ts';
import { listen } from './listen.ts';
import type { Metrics } from './metrics.ts';
import { checkPinned, checkSharedKey, checkTransport, needsAuthentication, ownHosts, ownOrigins } from './startup-checks.ts';

/** How long (ms) calls may continue waiting when the server ends. */
const CALLS_MS = 15_000;
const FLUSH_MS = 1_000;
const READY_MS = 3_000;

/** Options of the command line, which override the settings. */
export interface HttpFlags {
  host?: string;
  port?: string;
  cert?: string;
  key?: string;
}

/**
 * Serves agents on other machines until a signal ends the process. Refuses to start where that would not be safe, with the next step.
 * @param note writes a line for the operator
 * @param onError gets the faults of single requests, which may quote what a caller sent
 */
export async function serve(
  flags: HttpFlags,
  session: Session,
  { metrics, version, note, onError }: { metrics: Metrics; version: string; note: (line: string) => void; onError: (error: Error) => void },
): Promise<void> {
  const { settings } = session;
  const configured = withFlags(settings.http, flags);
  const tls = readTls(configured);
  const scheme = tls ? 'https' : 'http';
  const store = await session.store();
  const isProtected = await needsAuthentication(configured, store);
  checkTransport(configured, scheme);
  await checkPinned(settings);
  await checkSharedKey(settings, store);
  /** Known once the port is. */
  let ownAddresses: string[] = [];
  const origins = () => ownAddresses;
  const verifiers = verifiersOf(configured, store);
  const { engine, idle, letGo } = counted(session.engine, metrics);
  const page = isProtected ? consoleOf({ session: { ...session, engine }, store, verifiers, origins, metrics }) : undefined;
  const changes = createChangeFeed({ engine: async () => engine, guests: false });
  const factory = createServerFactory({
    engine: async () => engine,
    changes,
    tools: operations.map(offeredTool),
    operation: findOperation,
    settings,
    caller: remoteCaller,
    version,
    notices: session.notices,
    stateKey: await store.keys.shared('request-state', newSecret()),
    ...(page ? { consoleUrl: () => `${origins()[0]}/console/` } : {}),
  });
  const gate = gateOf(configured, verifiers, store, metrics);
  const app = createHttpApp({
    factory,
    changes,
    gate: isProtected ? gate : untilFirstToken(gate, store),
    hosts: ownHosts(configured),
    isTrustedProxy: networks(configured.trustedProxies),
    ...(configured.oauth ? { oauth: { resource: new URL(`${configured.publicUrls[0]}/mcp`), issuer: configured.oauth.issuer } } : {}),
    ready: () => ready(store),
    metrics,
    gauges: createGauges(session),
    ...defined({ console: page }),
    perMinute: configured.perMinute,
    replica: configured.replica,
    clock: systemClock,
    onError,
  });
  const listener = await listen(app, { host: configured.host, port: configured.port, ...defined({ tls }), onError });
  const { port } = listener;
  ownAddresses = ownOrigins(configured, scheme, port);
  note(
    `Serving MCP on ${scheme}://${inUrl(configured.host)}:${port}/mcp${isProtected ? '' : ', for this machine only and without authentication'}.`,
  );
  if (page) note(`Approvers decide on ${origins()[0]}/console/`);

  await endSignal();
  app.drain();
  await within(idle(), CALLS_MS);
  // Waiting callers learn which call tells the outcome, instead of being cut off.
  letGo();
  await within(idle(), FLUSH_MS);
  page?.close();
  // Answers in progress first, then the streams, which never end by themselves.
  await listener.close(FLUSH_MS);
  await app.close();
}

function withFlags(http: HttpSettings, { host, port, cert, key }: HttpFlags): HttpSettings {
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) <= 65_535))
    fail('invalid_arguments', '--port must be a number up to 65535.');
  return {
    ...http,
    ...defined({ host, port: port === undefined ? undefined : Number(port), certFile: cert, keyFile: key }),
  };
}

function readTls({ certFile, keyFile }: HttpSettings): { cert: string; key: string } | undefined {
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined)
    return fail('invalid_configuration', 'A certificate needs its key. Give both --cert and --key.');
  const read = (file: string, what: string, hint: string) => {
    try {
      return readFileSync(file, 'utf8');
    } catch (cause) {
      return fail('invalid_configuration', `The ${what} ${file} cannot be read (${(cause as NodeJS.ErrnoException).code}).`, {
        hint,
        cause,
      });
    }
  };
  return {
    cert: read(certFile, 'certificate', 'Correct --cert or PROXMOX_HTTP_CERT_FILE, or the rights of the file.'),
    key: read(keyFile, 'private key', 'Correct --key or PROXMOX_HTTP_KEY_FILE, or the rights of the file.'),
  };
}

/** Rejects when the store does not answer. An unreachable Proxmox does not count: another replica could not reach it either. */
async function ready(store: Store): Promise<void> {
  const answers = store.check().then(() => true);
  if (!(await within(answers, READY_MS))) fail('store_unavailable', 'The database does not answer.');
}

function endSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, resolve);
  });
}
