import * as z from 'zod';
import { fail } from '../core/errors/errors.ts';
import { clusterVariables } from './cluster.ts';
import { readOwnFile } from './own-file.ts';
import { VARIABLES, type Variable } from './schema.ts';

/** A name that fits a table, a label of a metric and a file. */
export const CLUSTER_NAME = /^[a-z0-9-]{1,32}$/;
const MOST = 100;

const fileSchema = z.record(z.string(), z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])));

/** Whether a variable describes a cluster: with several clusters each has its own value. */
export function isOfCluster(name: Variable): boolean {
  return name === 'PROXMOX_POLICY_FILE' || name in clusterVariables;
}

/**
 * The variables of each cluster in PROXMOX_CLUSTERS_FILE, as texts: `{"home": {"PROXMOX_HOST": "192.168.1.10", …}, …}`.
 * @throws invalid_configuration where other users can read the file, or a name or variable is not one of a cluster
 */
export function readClusters(file: string): Map<string, Record<string, string>> {
  const parsed = fileSchema.safeParse(parseJson(readOwnFile(file, 'The clusters file', 'Correct PROXMOX_CLUSTERS_FILE.')));
  if (!parsed.success) refuse(file, 'it must be a JSON object of names, each with an object of variables and their values');
  const entries = Object.entries(parsed.data);
  if (entries.length === 0 || entries.length > MOST) refuse(file, `it must name 1 to ${MOST} clusters`);
  for (const [name, variables] of entries) {
    if (!CLUSTER_NAME.test(name)) refuse(file, `${JSON.stringify(name.slice(0, 40))} is not a name: up to 32 of a-z, 0-9 and -`);
    const wrong = Object.keys(variables).find(
      (variable) => !VARIABLES.includes(variable as Variable) || !isOfCluster(variable as Variable),
    );
    if (wrong !== undefined) refuse(file, `${wrong.slice(0, 60)} of ${name} is not a variable of one cluster`);
  }
  return new Map(entries.map(([name, variables]) => [name, textsOf(variables)]));
}

function textsOf(variables: Record<string, string | number | boolean>): Record<string, string> {
  const texts = Object.entries(variables).map(([variable, value]) => [variable, String(value)] as const);
  return Object.fromEntries(texts.filter(([, text]) => text.trim() !== ''));
}

function refuse(file: string, why: string): never {
  const known = VARIABLES.filter(isOfCluster).join(', ');
  fail('invalid_configuration', `The clusters in ${file} cannot be used: ${why}.`, {
    hint: `Correct the file. Each cluster takes ${known}; all else stays in the environment.`,
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
