import type { ProxmoxApi } from '../core/proxmox.ts';
import type { Settings } from '../core/settings/settings.ts';
import type { Store } from '../store/index.ts';
import type { Engine } from './types.ts';

/** An engine with everything it stands on, opened from the settings of this process. */
export interface Session {
  settings: Settings;
  engine: Engine;
  /** The store, opened at the first call; the engine's own. */
  store: () => Promise<Store>;
  /** The connection to a cluster, by default the first, opened at the first call. */
  connect: (cluster?: string) => Promise<ProxmoxApi>;
  /** Notices for the next answer; reading removes them. */
  notices: () => string[];
  close: () => Promise<void>;
}
