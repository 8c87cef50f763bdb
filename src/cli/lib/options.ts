import { type Loaded, loadConfig } from '../../config/load.ts';
import { requireCredentials, toSettings } from '../../config/settings.ts';
import type { Settings } from '../../core/settings.ts';
import { refuseOpenDataFolder } from './data-folder.ts';

/** The options of every command. */
export interface GlobalOptions {
  /** The embedded cluster. */
  demo?: true;
  envFile?: string;
}

export interface Configured {
  settings: Settings;
  loaded: Loaded;
}

/** The settings of this call, credentials not yet asked for: `audit verify` or `tools` need none. */
export function configure({ demo = false as boolean, envFile }: Omit<GlobalOptions, 'demo'> & { demo?: boolean }): Configured {
  const loaded = loadConfig({ env: process.env, envFile });
  const settings = toSettings(loaded.config, { env: process.env, demo });
  refuseOpenDataFolder(settings.dataDir);
  return { loaded, settings };
}

/** The settings of a command that talks to the cluster. Throws `missing_credentials` (never under `--demo`). */
export function configureConnection(options: GlobalOptions): Configured {
  const configured = configure(options);
  if (!configured.settings.demo) requireCredentials(configured.loaded.config);
  return configured;
}
