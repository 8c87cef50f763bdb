import { within } from '../../core/clock.ts';
import { asError } from '../../core/errors/errors.ts';
import type { JsonObject } from '../../core/text/json.ts';
import type { Session } from '../../engine/session.ts';
import { tell } from '../terminal/output.ts';

/** A cluster whose part of a list could not be read. */
export interface MissingCluster extends JsonObject {
  cluster: string;
  message: string;
}

/** How long (ms) a list waits for a cluster. The engine leaves it out after the same time. */
const OPENS_WITHIN_MS = 2_000;

/** Of several clusters, those that cannot be opened now. What belongs to them is not in lists of all. */
export async function missingClusters({ engine, connect }: Pick<Session, 'engine' | 'connect'>): Promise<MissingCluster[]> {
  const each = engine.clusters.map(async (cluster) => {
    try {
      const opened = await within(connect(cluster), OPENS_WITHIN_MS);
      return opened ? [] : [{ cluster, message: `The cluster ${cluster} does not answer.` }];
    } catch (thrown) {
      return [{ cluster, message: asError(thrown).message }];
    }
  });
  return (await Promise.all(each)).flat();
}

/** Says which part of a list is missing: to people on stderr, --quiet or not, and to programs by the members that it returns. */
export function namingMissing(missing: MissingCluster[]): JsonObject {
  if (missing.length === 0) return {};
  for (const { cluster, message } of missing) tell(`This list lacks the cluster ${cluster}: ${message}`);
  return { missing };
}
