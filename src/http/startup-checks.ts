import * as z from 'zod';

import { fail } from '../core/errors/errors.ts';
import { inUrl, isThisMachine, isUnspecified, LOCAL_NAMES } from '../core/network.ts';
import { clustersOf, type HttpSettings, pinnedAs, type Settings } from '../core/settings/settings.ts';
import { createVault } from '../engine/input/secrets.ts';
import { secret } from '../operations/secret.ts';
import type { Store } from '../store/index.ts';

/** Checks before other machines are served. Each throws an error that names the next step. */

/**
 * Whether callers must authenticate. Only a server that other machines cannot reach may do without, and only until the first token exists.
 * @throws invalid_configuration when they must and no credential exists
 */
export async function needsAuthentication(http: HttpSettings, store: Store): Promise<boolean> {
  const { oauth, host, publicUrls, trustedProxies } = http;
  if (oauth) return true;
  const tokens = await store.tokens.list();
  const exposed = !isThisMachine(host) || publicUrls.length > 0 || trustedProxies.length > 0;
  if (!exposed) return tokens.length > 0;
  if (await store.tokens.anyValid(new Date().toISOString())) return true;
  const where = isThisMachine(host) ? 'a server behind a proxy' : host;
  return fail(
    'invalid_configuration',
    `Refusing to start: ${where} is reachable from other machines and no authentication is configured.`,
    {
      hint: 'Create a token (`proxmox-mcp tokens add --name NAME --role operator`), set PROXMOX_HTTP_OAUTH_ISSUER, or serve this machine only (--host 127.0.0.1).',
    },
  );
}

/** @throws invalid_configuration when access tokens would travel in clear, or the server does not know its public name */
export function checkTransport({ host, publicUrls }: HttpSettings, scheme: 'http' | 'https'): void {
  if (isThisMachine(host)) return;
  if (scheme === 'http' && !publicUrls[0]?.startsWith('https://')) {
    fail('invalid_configuration', `Refusing to start: access tokens for ${host} would be sent unencrypted.`, {
      hint: 'Give --cert and --key. If a proxy in front terminates TLS, set PROXMOX_HTTP_PUBLIC_URL to its https:// address.',
    });
  }
  if (publicUrls.length === 0 && isUnspecified(host)) {
    const hint = 'Set PROXMOX_HTTP_PUBLIC_URL, for example https://mcp.example.org.';
    const message = `Refusing to start: on ${host} this server does not know its public name and would reject every request.`;
    fail('invalid_configuration', message, { hint });
  }
}

/**
 * A server for other machines never trusts a certificate on first use, because no human is present to compare it.
 * @throws certificate_untrusted
 */
export async function checkPinned(settings: Settings): Promise<void> {
  if (settings.demo) return;
  for (const cluster of clustersOf(settings)) {
    const { name } = cluster;
    const { verifySsl, caFile, fingerprints, endpoints } = cluster.connection;
    if (verifySsl || caFile !== undefined || fingerprints.length > 0) continue;
    const [{ openTrustStore }, { inspectTls }] = await Promise.all([
      import('../proxmox/trust/store.ts'),
      import('../proxmox/trust/inspect.ts'),
    ]);
    if (openTrustStore(settings.dataDir).get(pinnedAs(cluster))) continue;
    const shown = await Promise.any(endpoints.map((endpoint) => inspectTls(endpoint))).catch((error: AggregateError) => {
      throw error.errors[0];
    });
    if (shown.authorized) continue;
    const [named, option] = name === undefined ? ['', ''] : [` (${name})`, ` --cluster ${name}`];
    const message = `The cluster's certificate is not pinned${named}, and a server for other machines does not trust it on first use.`;
    fail('certificate_untrusted', message, {
      hint: `Run \`proxmox-mcp trust${option}\` as the user of this server, or set PROXMOX_CA_FILE or PROXMOX_FINGERPRINT. It shows SHA-256 ${shown.fingerprint}.`,
    });
  }
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
    hint: 'Give all of them the same secret.key of 32 random bytes (docs/deployment.md).',
  });
}

/** The names under which requests are accepted. */
export function ownHosts({ host, publicUrls }: HttpSettings): string[] {
  const names = [...LOCAL_NAMES, inUrl(host), ...publicUrls.map((url) => new URL(url).hostname)];
  return [...new Set(names)];
}

/** Origins of this server, the one that people are sent to first. An origin never names the default port of its scheme. */
export function ownOrigins({ host, publicUrls }: HttpSettings, scheme: 'http' | 'https', port: number): string[] {
  const served = [inUrl(host), ...LOCAL_NAMES].map((name) => `${scheme}://${name}:${port}`);
  const found = served.filter((address) => URL.canParse(address)).map((address) => new URL(address).origin);
  return [...new Set([...publicUrls, ...found])];
}
