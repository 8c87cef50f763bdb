import * as z from 'zod';
import { fail } from '../core/errors/errors.ts';
import { clusterVariables } from './cluster.ts';
import { parseJson, readOwnFile } from './own-file.ts';
import { VARIABLES, type Variable } from './schema.ts';
import { variableTexts } from './values.ts';

/** A name that fits a table, a label of a metric and a file. */
export const CLUSTER_NAME = /^[a-z0-9-]{1,32}$/;
const MOST = 100;

const fileSchema = z.record(z.string(), variableTexts);

const KNOWN: string[] = VARIABLES.filter(isOfCluster);

/** Whether a variable describes a cluster: with several clusters each has its own value. */
export function isOfCluster(name: Variable): boolean {
  return name === 'PROXMOX_POLICY_FILE' || name in clusterVariables;
}

/**
 * The variables of each cluster in PROXMOX_CLUSTERS_FILE, as texts: `{"home": {"PROXMOX_HOST": "192.168.1.10", …}, …}`.
 * @throws invalid_configuration where other users can read the file, or a name or variable is not one of a cluster
 */
export function readClusters(file: string): Map<string, Record<string, string>> {
  const { data } = fileSchema.safeParse(parseJson(readOwnFile(file, 'The clusters file', 'Correct PROXMOX_CLUSTERS_FILE.')));
  if (!data) return refuse(file, 'it must be a JSON object of names, each with an object of variables and their values');
  const entries = Object.entries(data);
  if (entries.length === 0 || entries.length > MOST) refuse(file, `it must name 1 to ${MOST} clusters`);
  for (const [name, variables] of entries) {
    if (!CLUSTER_NAME.test(name)) refuse(file, `${JSON.stringify(name.slice(0, 40))} is not a name: up to 32 of a-z, 0-9 and -`);
    const wrong = Object.keys(variables).find((variable) => !KNOWN.includes(variable));
    if (wrong !== undefined) refuse(file, `${wrong.slice(0, 60)} of ${name} is not a variable of one cluster`);
  }
  const isGiven = ([, text]: [string, string]) => text.trim() !== '';
  return new Map(entries.map(([name, variables]) => [name, Object.fromEntries(Object.entries(variables).filter(isGiven))]));
}

function refuse(file: string, why: string): never {
  fail('invalid_configuration', `The clusters in ${file} cannot be used: ${why}.`, {
    hint: `Correct the file. Each cluster takes ${KNOWN.join(', ')}. All else stays in the environment.`,
  });
}
