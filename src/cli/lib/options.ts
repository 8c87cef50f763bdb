import { type Loaded, loadConfig } from '../../config/load.ts';
import { requireCredentials, toSettings } from '../../config/settings.ts';
import { fail } from '../../core/errors/errors.ts';
import { clustersOf, pinnedAs, type Settings } from '../../core/settings/settings.ts';
import { refuseOpenDataFolder } from './data-folder.ts';

/** The options of every command. */
export interface GlobalOptions {
  /** The embedded cluster. */
  demo?: true;
  settings?: string;
  /** The other spelling of `settings`. Node reads the file of this one too, and ends the process when it does not exist. */
  envFile?: string;
}

export interface Configured {
  settings: Settings;
  loaded: Loaded;
}

/** The settings of this call, credentials not yet asked for: `audit verify` or `tools` need none. */
export function configure({ demo = false as boolean, ...options }: Omit<GlobalOptions, 'demo'> & { demo?: boolean }): Configured {
  const loaded = loadConfig({ env: process.env, envFile: settingsFile(options) });
  const settings = toSettings(loaded, { env: process.env, demo });
  refuseOpenDataFolder(settings.dataDir);
  return { loaded, settings };
}

/** The file that the caller named. */
export function settingsFile({ settings, envFile }: Pick<GlobalOptions, 'settings' | 'envFile'>): string | undefined {
  return settings ?? envFile;
}

/**
 * The settings as of a server of one cluster alone, which keeps its name.
 * @throws invalid_arguments where no cluster has that name, or one of several must be named
 */
export function onlyCluster(settings: Settings, name: string | undefined): Settings {
  const { clusters } = settings;
  if (!clusters && name === undefined) return settings;
  const found = name === undefined && clusters?.length === 1 ? clusters[0] : clusters?.find((one) => one.name === name);
  if (!found)
    return fail(
      'invalid_arguments',
      name === undefined ? '--cluster is missing.' : `--cluster: no cluster is called ${JSON.stringify(name.slice(0, 60))}.`,
      {
        hint: clusters
          ? `Clusters: ${clusters.map((one) => one.name).join(', ')}.`
          : 'Only the clusters of PROXMOX_CLUSTERS_FILE have names.',
      },
    );
  const { name: _name, ...own } = found;
  return { ...settings, ...own, clusters: [found] };
}

/** By what name the only cluster of these settings is pinned. */
export function pinOf(settings: Settings): string {
  const [only] = clustersOf(settings);
  return only ? pinnedAs(only) : fail('internal', 'No cluster is configured.');
}

/** The settings of a command that talks to the cluster. Throws `missing_credentials` (never under `--demo`). */
export function configureConnection(options: GlobalOptions): Configured {
  const configured = configure(options);
  const { settings, loaded } = configured;
  if (settings.demo) return configured;
  if (loaded.clusters) for (const [name, config] of loaded.clusters()) requireCredentials(config, name);
  else requireCredentials(loaded.config);
  return configured;
}
