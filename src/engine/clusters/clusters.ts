import type { Audit } from '../../audit/writer.ts';
import { within } from '../../core/clock.ts';
import { fail } from '../../core/errors/errors.ts';
import { lazy } from '../../core/lazy.ts';
import { plainText } from '../../core/text/text.ts';
import type { OpenPorts, Ports, ServerPorts } from '../ports.ts';

/** A cluster that an engine serves. */
export interface Served {
  /** Its name in PROXMOX_CLUSTERS_FILE; '' where the environment describes the only one. */
  name: string;
  server: ServerPorts;
  open: OpenPorts;
  /** The dependencies once they are open; an opening under way is not waited for, because its cluster may hang. */
  opened: () => Ports | undefined;
}

/** The clusters that an engine serves, in the order of the file. */
export interface Clusters {
  /** Names that callers choose from; empty where there is only one cluster, because then callers name none. */
  names: readonly string[];
  all: readonly Served[];
}

export function servedCluster(name: string, server: ServerPorts, open: (server: ServerPorts) => Promise<Ports>): Served {
  const own = name === '' ? server : { ...server, audit: labelled(server.audit, name) };
  let ports: Ports | undefined;
  const { get } = lazy(async () => {
    ports = await open(own);
    return ports;
  });
  return { name, server: own, open: get, opened: () => ports };
}

/** Every line of the audit names the cluster that it is about. */
function labelled(audit: Audit, cluster: string): Audit {
  return {
    ready: () => audit.ready(),
    append: (record, options) => audit.append({ cluster, ...record }, options),
    close: () => audit.close(),
  };
}

/** @throws invalid_arguments where several clusters are served and none of them is named */
export function clusterNamed(clusters: Clusters, name: string | undefined): Served {
  const [first] = clusters.all;
  const found = clusters.names.length === 0 && name === undefined ? first : clusters.all.find((one) => one.name === name && name !== '');
  return found ?? fail('invalid_arguments', notNamed(clusters.names, name));
}

/** Why a call without the name of a cluster, or with another one, is rejected. */
export function notNamed(names: readonly string[], given: unknown): string {
  if (names.length === 0) return 'This server has one cluster. Leave cluster out.';
  if (given !== undefined && typeof given !== 'string') return `cluster must be one of ${names.join(', ')}.`;
  return given === undefined
    ? `Name the cluster: ${names.join(', ')}.`
    : `No cluster is called ${JSON.stringify(plainText(given, 60))}. Clusters: ${names.join(', ')}.`;
}

/** How long (ms) work on several clusters waits for the opening of each. */
const OPENS_WITHIN_MS = 2_000;

/**
 * Work on every cluster side by side, for transports that show them all. Of several clusters, one that cannot be opened now is left out, unless
 * none can.
 * @param cluster the only one to work on
 * @throws what the first one failed with, where all failed
 */
export async function onEach<T>(clusters: Clusters, work: (ports: Ports, name: string) => Promise<T>, cluster?: string): Promise<T[]> {
  const chosen = cluster === undefined ? clusters.all : [clusterNamed(clusters, cluster)];
  const outcomes = await Promise.allSettled(chosen.map(async (one) => work(await openSoon(one, chosen.length > 1), one.name)));
  const done = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const [failed] = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
  if (done.length === 0 && failed !== undefined) throw failed;
  return done;
}

async function openSoon({ name, open, opened }: Served, isOneOfSeveral: boolean): Promise<Ports> {
  if (!isOneOfSeveral) return open();
  return opened() ?? (await within(open(), OPENS_WITHIN_MS)) ?? fail('unreachable', `The cluster ${name} does not answer.`);
}
