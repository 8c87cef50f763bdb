import { defined } from '../../core/defined.ts';
import { nameIn, type Settings } from '../../core/settings/settings.ts';
import { counted } from '../../core/text/text.ts';
import { hasStore } from '../lib/data-folder.ts';
import type { Check } from './local.ts';

const NAMED = 5;

/** Requests that Proxmox may still execute; none when there is no store yet, which is not made. */
export async function openRunsCheck({ dataDir, databaseUrl }: Settings, cluster: string): Promise<Check[]> {
  if (!hasStore({ dataDir, databaseUrl })) return [];
  const { openStore } = await import('../../store/index.ts');
  const found: Check[] = [];
  const notice = (text: string) =>
    void found.push({ name: 'store', state: 'warn', text, next: 'Restore a backup of the store if one exists.' });
  const store = await openStore({ dataDir, notice, ...defined({ databaseUrl }) });
  try {
    const open = await store.runs.unknown(cluster);
    const name = 'outcomes';
    if (open.length === 0) return [...found, { name, state: 'ok', text: 'the outcome of every run is known' }];
    const named = open.slice(0, NAMED).map(({ id, plan, startedAt }) => `${plan.summary} (${id}, ${startedAt})`);
    const more = open.length > NAMED ? ` and ${open.length - NAMED} more` : '';
    const check: Check = {
      name,
      state: 'warn',
      text: `the outcome of ${counted(open.length, 'run')} is unknown, and Proxmox may still execute it: ${named.join('; ')}${more}`,
      next: 'Check these guests in Proxmox, then record how each ended: proxmox-mcp runs close ID --outcome done|not-done',
    };
    return [...found, check];
  } finally {
    await store.close();
  }
}

/**
 * Runs without an outcome on clusters that PROXMOX_CLUSTERS_FILE has no longer: no look at a cluster finds them.
 * @param served identities of the clusters that answered; of another one only its name is compared
 */
export async function leftRunsCheck({ dataDir, databaseUrl, clusters }: Settings, served: readonly string[]): Promise<Check[]> {
  if (!clusters || !hasStore({ dataDir, databaseUrl })) return [];
  const { openStore } = await import('../../store/index.ts');
  const store = await openStore({ dataDir, ...defined({ databaseUrl }) });
  try {
    const isNamed = (name: string) => clusters.some((one) => one.name === name);
    const isServed = (cluster: string) =>
      isNamed(nameIn(cluster)) && (served.includes(cluster) || !served.some((one) => nameIn(one) === nameIn(cluster)));
    const left = (await store.openRuns.byCluster()).filter(({ cluster }) => !isServed(cluster));
    return left.map(({ cluster, open }) => ({
      name: 'outcomes',
      state: 'warn',
      text: `the outcome of ${counted(open, 'run')} on ${cluster} is unknown, and ${
        isNamed(nameIn(cluster)) ? `${nameIn(cluster)} is another cluster now` : 'PROXMOX_CLUSTERS_FILE has no such cluster'
      }`,
      next: 'Put the cluster back into the file under that name, then run: proxmox-mcp runs list',
    }));
  } finally {
    await store.close();
  }
}
