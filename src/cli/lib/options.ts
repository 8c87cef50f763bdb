import { type Loaded, loadConfig } from '../../config/load.ts';
import { requireCredentials, toSettings } from '../../config/settings.ts';
import type { Settings } from '../../core/settings.ts';
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
  const settings = toSettings(loaded.config, { env: process.env, demo, clusters: loaded.clusters });
  refuseOpenDataFolder(settings.dataDir);
  return { loaded, settings };
}

/** The file that the caller named. */
export function settingsFile({ settings, envFile }: Pick<GlobalOptions, 'settings' | 'envFile'>): string | undefined {
  return settings ?? envFile;
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
