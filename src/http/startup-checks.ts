import * as z from 'zod';

import { fail } from '../core/errors.ts';
import { clusterNameOf, type HttpSettings, type Settings } from '../core/settings.ts';
import { createVault } from '../engine/input/secrets.ts';
import { secret } from '../operations/secret.ts';
import type { Store } from '../store/index.ts';
import { isLoopback } from './auth/addresses.ts';

/** What has to hold before anybody but this machine is served. Each of them throws and says what to do. */

/**
 * Whether callers have to prove who they are. Only a server that nobody else can reach may do without, and only until the first token is made.
 * @throws invalid_configuration when it has to and nobody could
 */
export async function needsAuthentication(http: HttpSettings, store: Store): Promise<boolean> {
  const { oauth, host, publicUrls, trustedProxies } = http;
  if (oauth) return true;
  const tokens = await store.tokens.list();
  const exposed = !isLocal(host) || publicUrls.length > 0 || trustedProxies.length > 0;
  if (!exposed) return tokens.length > 0;
  if (await store.tokens.anyValid(new Date().toISOString())) return true;
  const where = isLocal(host) ? 'Behind a proxy' : `On ${host}`;
  return fail(
    'invalid_configuration',
    `${where} others than this machine reach this server, and no way to log in exists: it does not start.`,
    {
      hint: 'Make a token (`proxmox-mcp tokens add --name NAME --role operator`) or set PROXMOX_HTTP_OAUTH_ISSUER; or serve this machine only (--host 127.0.0.1).',
    },
  );
}

/** @throws invalid_configuration when access tokens would travel in clear, or nobody could name this server */
export function checkTransport({ host, publicUrls }: HttpSettings, hasTls: boolean): void {
  if (isLocal(host)) return;
  if (!hasTls && !publicUrls[0]?.startsWith('https://')) {
    fail('invalid_configuration', `On ${host} access tokens would travel in clear: it does not start.`, {
      hint: 'Give --cert and --key; or, if a proxy in front does TLS, set PROXMOX_HTTP_PUBLIC_URL to its https:// address.',
    });
  }
  if (publicUrls.length === 0 && ['0.0.0.0', '::'].includes(host)) {
    fail('invalid_configuration', `On ${host} this server does not know the name under which it is reached, and would refuse everybody.`, {
      hint: 'Set PROXMOX_HTTP_PUBLIC_URL, for example https://mcp.example.org.',
    });
  }
}

/**
 * A server for others never trusts a certificate on first use: nobody is there to compare it.
 * @throws certificate_untrusted
 */
export async function checkPinned({ connection, demo, dataDir }: Settings): Promise<void> {
  const { verifySsl, caFile, fingerprints, endpoints } = connection;
  if (demo || verifySsl || caFile !== undefined || fingerprints.length > 0) return;
  const [{ openTrustStore }, { inspectTls }] = await Promise.all([import('../proxmox/trust-store.ts'), import('../proxmox/tls.ts')]);
  if (openTrustStore(dataDir).get(clusterNameOf(connection))) return;
  const shown = await Promise.any(endpoints.map((endpoint) => inspectTls(endpoint))).catch((error: AggregateError) => {
    throw error.errors[0];
  });
  if (shown.authorized) return;
  fail('certificate_untrusted', "The cluster's certificate is not pinned, and a server for others does not trust it on first use.", {
    hint: `Run \`proxmox-mcp trust\` as the user of this server, or set PROXMOX_CA_FILE or PROXMOX_FINGERPRINT. It shows SHA-256 ${shown.fingerprint}.`,
  });
}

/**
 * Secrets in plans are named and sealed with the key of the installation; replicas with different ones would call each other's approvals stale.
 * @throws invalid_configuration
 */
export async function checkSharedKey({ databaseUrl, dataDir }: Settings, store: Store): Promise<void> {
  if (databaseUrl === undefined) return;
  const schema = z.object({ probe: secret(z.string()) });
  const { probe } = createVault(dataDir).conceal(schema, { probe: 'which key' }) as { probe: { $secret: string } };
  if ((await store.keys.shared('secret-key', probe.$secret)) === probe.$secret) return;
  fail('invalid_configuration', `${dataDir}/secret.key is not the key that the other servers on this database use.`, {
    hint: 'Give all of them the same secret.key (docs/deployment.md); it is 32 random bytes.',
  });
}

export function isLocal(host: string): boolean {
  return host === 'localhost' || isLoopback(host);
}

/** The names under which requests are accepted. */
export function ownHosts({ host, publicUrls }: HttpSettings): string[] {
  const own = host.includes(':') ? `[${host}]` : host;
  const names = ['localhost', '127.0.0.1', '[::1]', own, ...publicUrls.map((url) => new URL(url).hostname)];
  return [...new Set(names)];
}

/** Where browsers find this server; the first is the one that people are told. An origin never names the default port of its scheme. */
export function ownOrigins({ host, publicUrls }: HttpSettings, scheme: 'http' | 'https', port: number): string[] {
  const own = host.includes(':') ? `[${host}]` : host;
  const served = [own, '127.0.0.1', 'localhost', '[::1]'].map((name) => `${scheme}://${name}:${port}`);
  const found = served.filter((address) => URL.canParse(address)).map((address) => new URL(address).origin);
  return [...new Set([...publicUrls, ...found])];
}
