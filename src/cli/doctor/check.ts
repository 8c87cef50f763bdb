import { defined } from '../../core/defined.ts';
import { asError } from '../../core/errors/errors.ts';
import type { Settings } from '../../core/settings/settings.ts';
import type { Store } from '../../store/index.ts';
import { hasStore } from '../lib/data-folder.ts';

/** One finding. `fail`: something does not work; `warn`: it works and deserves a look; `note`: a lasting property of this installation. */
export interface Check {
  name: string;
  state: 'ok' | 'note' | 'warn' | 'fail';
  text: string;
  next?: string;
}

export const ok = (name: string, text: string): Check => ({ name, state: 'ok', text });
export const warn = (name: string, text: string, next?: string): Check => ({ name, state: 'warn', text, ...(next ? { next } : {}) });
export const failed = (name: string, text: string, next: string): Check => ({ name, state: 'fail', text, next });

/** A look that failed, as a finding of its own. */
export function faultOf(name: string, thrown: unknown, state: 'warn' | 'fail' = 'fail'): Check {
  const { message, hint } = asError(thrown);
  return { name, state, text: message, next: hint };
}

/** The next step where the store was lost. */
export const RESTORE = 'Restore a backup of the store if one exists.';

/**
 * Looks into the store. Undefined where there is none yet: a diagnosis creates none.
 * @param notice told what the operator should know of the store
 */
export async function inStore<T>(
  { dataDir, databaseUrl }: Settings,
  look: (store: Store) => Promise<T>,
  notice: (text: string) => void = () => {},
): Promise<T | undefined> {
  if (!hasStore({ dataDir, databaseUrl })) return undefined;
  const { openStore } = await import('../../store/index.ts');
  const store = await openStore({ dataDir, notice, ...defined({ databaseUrl }) });
  try {
    return await look(store);
  } finally {
    await store.close();
  }
}
