import { nameIn, type Settings } from '../../core/settings/settings.ts';
import { counted } from '../../core/text/text.ts';
import { type Check, inStore, ok, warn } from './check.ts';

const NAMED = 5;
const NAME = 'outcomes';

/** Requests that Proxmox may still execute. */
export async function openRunsCheck(settings: Settings, cluster: string): Promise<Check[]> {
  const seen = await inStore(settings, (store) => store.runs.unknown(cluster));
  if (!seen) return [];
  const { found: open, lost } = seen;
  if (open.length === 0) return [...lost, ok(NAME, 'the outcome of every run is known')];
  const named = open.slice(0, NAMED).map(({ id, plan, startedAt }) => `${plan.summary} (${id}, ${startedAt})`);
  const more = open.length > NAMED ? ` and ${open.length - NAMED} more` : '';
  const text = `the outcome of ${counted(open.length, 'run')} is unknown, and Proxmox may still execute it: ${named.join('; ')}${more}`;
  const next = 'Check these guests in Proxmox, then record how each ended: proxmox-mcp runs close ID --outcome done|not-done';
  return [...lost, warn(NAME, text, next)];
}

/**
 * Runs without an outcome on clusters that PROXMOX_CLUSTERS_FILE no longer has, which the checks of a cluster cannot find.
 * @param served identities of the clusters that answered; of another one only its name is compared
 */
export async function leftRunsCheck(settings: Settings, served: readonly string[]): Promise<Check[]> {
  const { clusters } = settings;
  if (!clusters) return [];
  const isNamed = (name: string) => clusters.some((one) => one.name === name);
  const isServed = (cluster: string) =>
    isNamed(nameIn(cluster)) && (served.includes(cluster) || !served.some((one) => nameIn(one) === nameIn(cluster)));
  const all = await inStore(settings, (store) => store.runs.openByCluster());
  return (all?.found ?? [])
    .filter(({ cluster }) => !isServed(cluster))
    .map(({ cluster, open }) => {
      const name = nameIn(cluster);
      const why = isNamed(name) ? `${name} is another cluster now` : 'PROXMOX_CLUSTERS_FILE has no such cluster';
      const next = 'Put the cluster back into the file under that name, then run: proxmox-mcp runs list';
      return warn(NAME, `the outcome of ${counted(open, 'run')} on ${cluster} is unknown, and ${why}`, next);
    });
}
