import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { defined } from '../core/defined.ts';
import { fail } from '../core/errors/errors.ts';
import { NO_POLICY } from '../core/settings/policy.ts';
import type { ClusterSettings, HttpSettings, NamedCluster, NotifySettings, Settings } from '../core/settings/settings.ts';
import { fieldsOf } from './fields.ts';
import { readPolicy } from './policy.ts';
import type { Config } from './schema.ts';

export interface SettingsOptions {
  env: Record<string, string | undefined>;
  /** The embedded cluster: host and token are ignored and everything lives in `<data>/demo`. */
  demo: boolean;
  /** Those of `Loaded`. */
  clusters?: (() => ReadonlyMap<string, Config>) | undefined;
}

/** The demo knows no cluster, shares nothing, and has an audit with a key of its own, whose checkpoints would look like a forgery beside the real ones. */
const DEMO = {
  PROXMOX_HOST: [],
  PROXMOX_TOKEN_ID: undefined,
  PROXMOX_TOKEN_SECRET: undefined,
  PROXMOX_VERIFY_SSL: false,
  PROXMOX_FINGERPRINT: [],
  PROXMOX_CA_FILE: undefined,
  PROXMOX_DATABASE_URL: undefined,
  PROXMOX_AUDIT_FILE: undefined,
  PROXMOX_AUDIT_ANCHOR: undefined,
} satisfies Partial<Config>;

/** The variables as the settings that the rest of the product knows. Credentials may still be missing: see `requireCredentials`. */
export function toSettings(given: Config, { env, demo, clusters }: SettingsOptions): Settings {
  const config: Config = demo ? { ...given, ...DEMO } : given;
  const base = config.PROXMOX_DATA_DIR ?? defaultDataDir(env);
  const dataDir = demo ? join(base, 'demo') : base;
  return {
    ...fieldsOf(config, ''),
    ...clusterSettings(config),
    ...defined({ clusters: namedClusters(config, demo, clusters) }),
    approval: fieldsOf(config, 'approval'),
    dataDir,
    auditFile: config.PROXMOX_AUDIT_FILE ?? join(dataDir, 'audit.jsonl'),
    http: { ...fieldsOf(config, 'http'), ...defined({ oauth: oauthSettings(config) }) },
    ...defined({ notify: notifySettings(config) }),
    demo,
  };
}

/** @param names of all clusters, where there are several or the one is named; a rule of the policy may name them */
function clusterSettings(config: Config, name?: string, names: readonly string[] = []): ClusterSettings {
  return {
    connection: {
      ...fieldsOf(config, 'connection'),
      endpoints: config.PROXMOX_HOST.map(({ host, port }) => ({ host, port: port ?? config.PROXMOX_PORT })),
      tokenId: config.PROXMOX_TOKEN_ID ?? '',
      tokenSecret: config.PROXMOX_TOKEN_SECRET ?? '',
    },
    defaults: {
      ...fieldsOf(config, 'defaults'),
      node: config.PROXMOX_NODE ?? 'pve',
      nodeIsExplicit: config.PROXMOX_NODE !== undefined,
    },
    limits: fieldsOf(config, 'limits'),
    policy: config.PROXMOX_POLICY_FILE === undefined ? NO_POLICY : readPolicy(config.PROXMOX_POLICY_FILE, name, names),
  };
}

/** The embedded clusters of the demo where it has several. */
const DEMO_NAMES = ['home', 'work'];

function namedClusters(config: Config, demo: boolean, clusters: SettingsOptions['clusters']): readonly NamedCluster[] | undefined {
  if (demo && config.PROXMOX_DEMO_CLUSTERS === 1) return undefined;
  const each = demo ? new Map(DEMO_NAMES.map((name) => [name, config])) : clusters?.();
  const names = [...(each?.keys() ?? [])];
  return each && [...each].map(([name, one]) => ({ name, ...clusterSettings(one, name, names) }));
}

function oauthSettings(config: Config): HttpSettings['oauth'] {
  const issuer = config.PROXMOX_HTTP_OAUTH_ISSUER;
  const [publicUrl] = config.PROXMOX_HTTP_PUBLIC_URL;
  if (issuer === undefined) return undefined;
  if (publicUrl === undefined) {
    return fail('invalid_configuration', 'PROXMOX_HTTP_OAUTH_ISSUER needs PROXMOX_HTTP_PUBLIC_URL: tokens are made for that address.');
  }
  return {
    issuer,
    audiences: config.PROXMOX_HTTP_OAUTH_AUDIENCE ?? [`${publicUrl}/mcp`],
    ...defined({ jwksUrl: config.PROXMOX_HTTP_OAUTH_JWKS_URL }),
    trustedSubjects: config.PROXMOX_HTTP_TRUSTED_SUBJECTS,
  };
}

/**
 * Throws `missing_credentials` that names every missing variable at once.
 * @param cluster its name in PROXMOX_CLUSTERS_FILE
 */
export function requireCredentials(config: Config, cluster?: string): void {
  const missing = [
    config.PROXMOX_HOST.length === 0 ? 'PROXMOX_HOST' : undefined,
    config.PROXMOX_TOKEN_ID === undefined ? 'PROXMOX_TOKEN_ID' : undefined,
    config.PROXMOX_TOKEN_SECRET === undefined ? 'PROXMOX_TOKEN_SECRET' : undefined,
  ].filter((name) => name !== undefined);
  if (missing.length === 0) return;
  if (cluster !== undefined)
    fail('missing_credentials', `Not configured for the cluster ${cluster}: ${missing.join(', ')}.`, {
      hint: 'Set them in the file that PROXMOX_CLUSTERS_FILE names.',
      details: { missing },
    });
  fail('missing_credentials', `Not configured: ${missing.join(', ')}.`, {
    hint: 'Set them in the environment, in a file named by --settings, or in ~/.config/proxmox-mcp/env (chmod 600). Or add --demo to try the embedded cluster.',
    details: { missing },
  });
}

function notifySettings(config: Config): NotifySettings | undefined {
  if (config.PROXMOX_NOTIFY_URL === undefined) return undefined;
  return {
    url: config.PROXMOX_NOTIFY_URL,
    kind: config.PROXMOX_NOTIFY_KIND,
    ...defined({ consoleUrl: config.PROXMOX_CONSOLE_URL?.replace(/\/+$/, '') }),
  };
}

function defaultDataDir(env: Record<string, string | undefined>): string {
  const state = env.XDG_STATE_HOME;
  // The XDG specification says to ignore a relative path.
  return join(state !== undefined && isAbsolute(state) ? state : join(homedir(), '.local', 'state'), 'proxmox-mcp');
}
