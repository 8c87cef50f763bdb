import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { fail } from '../core/errors.ts';
import { NO_POLICY } from '../core/policy.ts';
import type { HttpSettings, NotifySettings, Settings } from '../core/settings.ts';
import { readPolicy } from './policy.ts';
import type { Config } from './schema.ts';

export interface SettingsOptions {
  env: Record<string, string | undefined>;
  /** The embedded cluster: host and token are ignored and everything lives in `<data>/demo`. */
  demo: boolean;
}

/** The variables as the settings that the rest of the product knows. Credentials may still be missing: see `requireCredentials`. */
export function toSettings(config: Config, { env, demo }: SettingsOptions): Settings {
  const base = config.PROXMOX_DATA_DIR ?? defaultDataDir(env);
  const dataDir = demo ? join(base, 'demo') : base;
  return {
    connection: {
      endpoints: demo ? [] : config.PROXMOX_HOST.map(({ host, port }) => ({ host, port: port ?? config.PROXMOX_PORT })),
      tokenId: demo ? '' : (config.PROXMOX_TOKEN_ID ?? ''),
      tokenSecret: demo ? '' : (config.PROXMOX_TOKEN_SECRET ?? ''),
      verifySsl: !demo && config.PROXMOX_VERIFY_SSL,
      fingerprints: demo ? [] : config.PROXMOX_FINGERPRINT,
      ...optional('caFile', demo ? undefined : config.PROXMOX_CA_FILE),
    },
    defaults: {
      node: config.PROXMOX_NODE ?? 'pve',
      nodeIsExplicit: config.PROXMOX_NODE !== undefined,
      ...optional('storage', config.PROXMOX_STORAGE),
      ...optional('pool', config.PROXMOX_POOL),
    },
    limits: {
      maxCpu: config.PROXMOX_MAX_CPU,
      maxRamMib: config.PROXMOX_MAX_RAM_MB,
      maxDiskGib: config.PROXMOX_MAX_DISK_GB,
      maxVms: config.PROXMOX_MAX_VMS,
      ...optional('maxTotalCpu', config.PROXMOX_MAX_TOTAL_CPU),
      ...optional('maxTotalRamMib', config.PROXMOX_MAX_TOTAL_RAM_MB),
      ...optional('maxTotalDiskGib', config.PROXMOX_MAX_TOTAL_DISK_GB),
      scope: config.PROXMOX_QUOTA_SCOPE,
    },
    approval: {
      mode: config.PROXMOX_APPROVAL,
      ttlSeconds: config.PROXMOX_APPROVAL_TTL,
      maxPendingPerPrincipal: config.PROXMOX_MAX_PENDING,
    },
    policy: config.PROXMOX_POLICY_FILE === undefined ? NO_POLICY : readPolicy(config.PROXMOX_POLICY_FILE),
    ...optional('notify', notifySettings(config)),
    waitSeconds: config.PROXMOX_WAIT_SECONDS,
    readOnly: config.PROXMOX_READ_ONLY,
    toolsets: config.PROXMOX_TOOLSETS,
    dataDir,
    retentionDays: config.PROXMOX_RETENTION_DAYS,
    auditFile: demo ? join(dataDir, 'audit.jsonl') : (config.PROXMOX_AUDIT_FILE ?? join(dataDir, 'audit.jsonl')),
    // The demo has a key of its own: its checkpoints would look like a forgery beside the real ones.
    ...optional('auditAnchor', demo ? undefined : config.PROXMOX_AUDIT_ANCHOR),
    logLevel: config.PROXMOX_LOG_LEVEL,
    ...optional('databaseUrl', demo ? undefined : config.PROXMOX_DATABASE_URL),
    http: httpSettings(config),
    demo,
  };
}

function httpSettings(config: Config): HttpSettings {
  const publicUrls = config.PROXMOX_HTTP_PUBLIC_URL;
  const issuer = config.PROXMOX_HTTP_OAUTH_ISSUER;
  if (issuer !== undefined && publicUrls.length === 0) {
    fail('invalid_configuration', 'PROXMOX_HTTP_OAUTH_ISSUER needs PROXMOX_HTTP_PUBLIC_URL: tokens are made for that address.');
  }
  return {
    host: config.PROXMOX_HTTP_HOST,
    port: config.PROXMOX_HTTP_PORT,
    publicUrls,
    ...optional('certFile', config.PROXMOX_HTTP_CERT_FILE),
    ...optional('keyFile', config.PROXMOX_HTTP_KEY_FILE),
    trustedProxies: config.PROXMOX_HTTP_TRUSTED_PROXIES,
    perMinute: config.PROXMOX_HTTP_RATE,
    replica: config.PROXMOX_HTTP_REPLICA,
    ...(issuer !== undefined
      ? {
          oauth: {
            issuer,
            audiences: config.PROXMOX_HTTP_OAUTH_AUDIENCE ?? [`${publicUrls[0]}/mcp`],
            ...optional('jwksUrl', config.PROXMOX_HTTP_OAUTH_JWKS_URL),
            trustedSubjects: config.PROXMOX_HTTP_TRUSTED_SUBJECTS,
          },
        }
      : {}),
  };
}

/** Throws `missing_credentials` that names every missing variable at once. */
export function requireCredentials(config: Config): void {
  const missing = [
    config.PROXMOX_HOST.length === 0 ? 'PROXMOX_HOST' : undefined,
    config.PROXMOX_TOKEN_ID === undefined ? 'PROXMOX_TOKEN_ID' : undefined,
    config.PROXMOX_TOKEN_SECRET === undefined ? 'PROXMOX_TOKEN_SECRET' : undefined,
  ].filter((name) => name !== undefined);
  if (missing.length === 0) return;
  fail('missing_credentials', `Not configured: ${missing.join(', ')}.`, {
    hint: 'Set them in the environment, in a file named by --env-file, or in ~/.config/proxmox-mcp/env (chmod 600). Or add --demo to try the embedded cluster.',
    details: { missing },
  });
}

function notifySettings(config: Config): NotifySettings | undefined {
  if (config.PROXMOX_NOTIFY_URL === undefined) return undefined;
  return {
    url: config.PROXMOX_NOTIFY_URL,
    kind: config.PROXMOX_NOTIFY_KIND,
    ...optional('consoleUrl', config.PROXMOX_CONSOLE_URL?.replace(/\/+$/, '')),
  };
}

function defaultDataDir(env: Record<string, string | undefined>): string {
  const state = env.XDG_STATE_HOME;
  // The XDG specification says to ignore a relative path.
  return join(state !== undefined && isAbsolute(state) ? state : join(homedir(), '.local', 'state'), 'proxmox-mcp');
}

/** `{[key]: value}`, or nothing: an optional member is absent, never undefined. */
function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}
