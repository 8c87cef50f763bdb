import type { AuthInfo } from '@modelcontextprotocol/server';
import { type ConsoleApp, createConsole } from '../console/app.ts';
import { loadAssets } from '../console/assets.ts';
import { createSessions } from '../console/sessions.ts';
import { systemClock } from '../core/clock.ts';
import { defined } from '../core/defined.ts';
import type { Caller } from '../core/people/caller.ts';
import { isPassphrase } from '../core/people/passphrase.ts';
import type { Person } from '../core/people/person.ts';
import type { HttpSettings } from '../core/settings/settings.ts';
import { createTokenBuckets } from '../core/token-bucket.ts';
import type { Session } from '../engine/session.ts';
import type { ClientInfo } from '../mcp/client.ts';
import { identityOf } from '../mcp/identity.ts';
import type { Store } from '../store/index.ts';
import { createGate, identify, type Verifiers } from './auth/gate.ts';
import { createOAuthVerifier } from './auth/oauth.ts';
import { createTokenVerifier, recorder } from './auth/tokens.ts';
import type { Metrics } from './metrics.ts';

/** Passphrases that each replica checks for one token per minute. An unknown token costs nothing but a look-up: 256 bits are not guessed. */
const LOGINS_PER_MINUTE = 10;

/** How remote callers prove who they are: access tokens always, OAuth where it is configured. */
export function verifiersOf({ oauth }: HttpSettings, store: Store): Verifiers {
  const token = createTokenVerifier(store.tokens, systemClock);
  return { token, ...defined({ oauth: oauth && createOAuthVerifier(oauth) }) };
}

/** The gate in front of /mcp; it also records the principal. */
export function gateOf({ oauth, publicUrls }: HttpSettings, verifiers: Verifiers, store: Store, metrics: Metrics) {
  const resourceMetadataUrl = oauth && `${publicUrls[0]}/.well-known/oauth-protected-resource/mcp`;
  const seen = recorder((owner, now) => store.principals.seen(owner, now), systemClock);
  const gate = createGate({
    ...verifiers,
    ...defined({ resourceMetadataUrl }),
    onRefused: (reason) => metrics.count('proxmox_mcp_auth_refusals_total', { reason }),
  });
  return async (request: Request, address: string): Promise<AuthInfo | Response> => {
    const known = await gate(request, address);
    const owner = known instanceof Response ? undefined : identityOf(known)?.owner;
    if (owner !== undefined) seen(owner);
    return known;
  };
}

/** The gate of a server for this machine alone, which is open until the first token exists and then requires one of every caller. */
export function untilFirstToken(gate: ReturnType<typeof gateOf>, store: Store) {
  return async (request: Request, address: string) => ((await store.tokens.list()).length > 0 ? gate(request, address) : undefined);
}

/** A remote caller as the engine knows callers. What the client says of itself decides nothing, unless the operator trusts this client. */
export function remoteCaller({ client, elicitation, authInfo }: ClientInfo): Caller {
  const identity = identityOf(authInfo);
  return {
    principal: identity?.principal ?? 'http:local',
    owner: identity?.owner ?? 'http:local',
    channel: 'http',
    ...defined({ client, scope: identity?.scope }),
    canAsk: { elicitation: elicitation && identity?.trustsClient === true, terminal: false },
    isOperator: false,
    role: identity?.role ?? 'operator',
  };
}

interface ConsoleParts {
  session: Session;
  store: Store;
  verifiers: Verifiers;
  /** Own addresses of the server, once its port is known. */
  origins: () => string[];
  metrics: Metrics;
}

/** The console for approvers, who log in with token and passphrase together. Its sessions are in the store, so any replica knows them. */
export function consoleOf({ session, store, verifiers, origins, metrics }: ConsoleParts): ConsoleApp {
  const attempts = createTokenBuckets({ size: LOGINS_PER_MINUTE, perSecond: LOGINS_PER_MINUTE / 60 }, systemClock);
  async function personWith(token: string, passphrase: string, address: string): Promise<Person | undefined> {
    const identity = await identify(verifiers, token, address);
    // The agent of an OAuth subject shares its principal, so only a token that may approve takes an attempt.
    if (typeof identity === 'string' || !identity.mayApprove) return undefined;
    // Counted by token alone: callers behind one proxy share an address, and another caller must not lock an approver out.
    if (attempts(identity.principal) > 0) return undefined;
    if (!(await isPassphrase(passphrase, await store.principals.passphrase(identity.owner)))) return undefined;
    const { principal, owner, expiresAt } = identity;
    return { principal, owner, name: owner, isOperator: true, role: 'approver', passphraseVerified: true, until: expiresAt * 1000 };
  }
  return createConsole({
    engine: session.engine,
    settings: session.settings,
    logins: {
      async loginWithToken(token, passphrase, address) {
        const person = await personWith(token, passphrase, address);
        // A caller who has a token and guesses the passphrase leaves a trace.
        if (person === undefined) metrics.count('proxmox_mcp_auth_refusals_total', { reason: 'console' });
        return person;
      },
    },
    sessions: createSessions(systemClock, store.sessions),
    origins,
    assets: loadAssets(),
    clock: systemClock,
    basePath: '/console',
  });
}
