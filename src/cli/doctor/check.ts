import { asError } from '../../core/errors/errors.ts';
import type { Settings } from '../../core/settings/settings.ts';
import type { Store } from '../../store/index.ts';
import { hasStore } from '../lib/data-folder.ts';
import { openStoreOf } from '../lib/open.ts';

/** One finding. `fail`: something does not work; `warn`: it works and deserves a look; `note`: a lasting property of this installation. */
export interface Check {
  name: string;
  state: 'ok' | 'note' | 'warn' | 'fail';
  text: string;
  next?: string;
}

export const ok = (name: string, text: string): Check => ({ name, state: 'ok', text });
export const warn = (name: string, text: string, next?: string): Check => ({ name, state: 'warn', text, ...(next ? { next } : {}) });
export const failed: typeof warn = (...facts) => ({ ...warn(...facts), state: 'fail' });

/** A check that could not be made, as a finding. */
export function faultOf(name: string, thrown: unknown, state: 'warn' | 'fail' = 'fail'): Check {
  const { message, hint } = asError(thrown);
  return { name, state, text: message, next: hint };
}

/**
 * Looks into the store. Undefined where there is none yet: a diagnosis creates none.
 * @returns also a check for each notice of the store
 */
export async function inStore<T>(settings: Settings, look: (store: Store) => Promise<T>): Promise<{ found: T; lost: Check[] } | undefined> {
  if (!hasStore(settings)) return undefined;
  const lost: Check[] = [];
  const store = await openStoreOf(settings, (text) => lost.push(warn('store', text, 'Restore a backup of the store if one exists.')));
  try {
    return { found: await look(store), lost };
  } finally {
    await store.close();
  }
}
