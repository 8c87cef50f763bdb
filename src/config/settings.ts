import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { defined } from '../core/defined.ts';
import { fail } from '../core/errors/errors.ts';
import { NO_POLICY } from '../core/settings/policy.ts';
import type { ClusterSettings, HttpSettings, NamedCluster, NotifySettings, Settings } from '../core/settings/settings.ts';
import { fieldsOf } from './fields.ts';
import type { Loaded } from './load.ts';
import { readPolicy } from './policy.ts';
import type { Config } from './schema.ts';

/** The demo has no real cluster and shares nothing. Its audit has its own key, so its checkpoints would look forged beside the real ones. */
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

/**
 * The settings that the variables give. Credentials may still be missing: see `requireCredentials`.
 * @param options.demo the embedded cluster: host and token are ignored, and everything is in `<data>/demo`
 */
export function toSettings(
  loaded: Pick<Loaded, 'config' | 'clusters'>,
  { env, demo }: { env: Record<string, string | undefined>; demo: boolean },
): Settings {
  const config: Config = demo ? { ...loaded.config, ...DEMO } : loaded.config;
  const clusters = demo ? demoClusters(config) : loaded.clusters?.();
  const base = config.PROXMOX_DATA_DIR ?? defaultDataDir(env);
  const dataDir = demo ? join(base, 'demo') : base;
  return {
    ...fieldsOf(config, ''),
    ...clusterSettings(config),
    ...(clusters ? { clusters: namedClusters(clusters) } : {}),
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
function demoClusters(config: Config): ReadonlyMap<string, Config> | undefined {
  return config.PROXMOX_DEMO_CLUSTERS === 1 ? undefined : new Map(['home', 'work'].map((name) => [name, config]));
}

function namedClusters(each: ReadonlyMap<string, Config>): readonly NamedCluster[] {
  const names = [...each.keys()];
  return [...each].map(([name, one]) => ({ name, ...clusterSettings(one, name, names) }));
}

function oauthSettings(config: Config): HttpSettings['oauth'] {
  const issuer = config.PROXMOX_HTTP_OAUTH_ISSUER;
  const [publicUrl] = config.PROXMOX_HTTP_PUBLIC_URL;
  if (issuer === undefined) return undefined;
  if (publicUrl === undefined) {
    return fail(
      'invalid_configuration',
      'PROXMOX_HTTP_OAUTH_ISSUER needs PROXMOX_HTTP_PUBLIC_URL, because tokens are issued for that address.',
    );
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
  const needed = ['PROXMOX_HOST', 'PROXMOX_TOKEN_ID', 'PROXMOX_TOKEN_SECRET'] as const;
  const missing = needed.filter((name) => (config[name] ?? '').length === 0);
  if (missing.length === 0) return;
  fail('missing_credentials', `Not configured${cluster === undefined ? '' : ` for the cluster ${cluster}`}: ${missing.join(', ')}.`, {
    hint:
      cluster === undefined
        ? 'Set them in the environment, in a file named by --settings, or in ~/.config/proxmox-mcp/env (chmod 600). Or add --demo to try the embedded cluster.'
        : 'Set them in the file that PROXMOX_CLUSTERS_FILE names.',
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
