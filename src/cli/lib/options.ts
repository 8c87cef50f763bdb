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

/** The settings of this call. Credentials may be missing: `audit verify` or `tools` need none. */
export function configure(options: GlobalOptions): Configured {
  const loaded = loadConfig({ env: process.env, envFile: settingsFile(options) });
  const settings = toSettings(loaded, { env: process.env, demo: options.demo === true });
  refuseOpenDataFolder(settings.dataDir);
  return { loaded, settings };
}

/** The settings of a command that talks to the cluster. @throws missing_credentials, but never under `--demo` */
export function configureConnection(options: GlobalOptions): Configured {
  const configured = configure(options);
  const { settings, loaded } = configured;
  if (settings.demo) return configured;
  if (loaded.clusters) for (const [name, config] of loaded.clusters()) requireCredentials(config, name);
  else requireCredentials(loaded.config);
  return configured;
}

/** The file that the caller named. */
export function settingsFile({ settings, envFile }: Pick<GlobalOptions, 'settings' | 'envFile'>): string | undefined {
  return settings ?? envFile;
}

/** @throws invalid_arguments where the value of the option is not a whole number in this range */
export function wholeNumber(option: string, text: string, from: number, to?: number): number {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(number) && number >= from && number <= (to ?? number)) return number;
  return fail('invalid_arguments', `${option} must be a whole number from ${from}${to === undefined ? '' : ` to ${to}`}.`);
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
    return failUnknownCluster(
      name === undefined ? '--cluster is missing.' : `--cluster: no cluster is called ${JSON.stringify(name.slice(0, 60))}.`,
      settings,
    );
  const { name: _name, ...own } = found;
  return { ...settings, ...own, clusters: [found] };
}

/** @throws invalid_arguments with the names of the clusters */
export function failUnknownCluster(message: string, { clusters }: Settings): never {
  const hint = clusters
    ? `Clusters: ${clusters.map(({ name }) => name).join(', ')}.`
    : 'Only the clusters of PROXMOX_CLUSTERS_FILE have names.';
  return fail('invalid_arguments', message, { hint });
}

/** The name under which the only cluster of these settings is pinned. */
export function pinOf(settings: Settings): string {
  const [only] = clustersOf(settings);
  return only ? pinnedAs(only) : fail('internal', 'No cluster is configured.');
}
