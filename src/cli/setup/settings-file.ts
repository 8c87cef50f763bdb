import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CLUSTER_NAME, isOfCluster, readClusters } from '../../config/clusters.ts';
import { loadConfig, usualFile } from '../../config/load.ts';
import { VARIABLES } from '../../config/schema.ts';
import { fail } from '../../core/errors/errors.ts';
import { writeWhole } from '../lib/write-file.ts';
import { ask, hasTerminal } from '../terminal/terminal.ts';

// The files that setup writes, for their owner alone (0600): the settings, and the clusters where there are several.

type Values = Record<string, string | undefined>;
const HEAD = '# Written by proxmox-mcp setup. All settings: docs/configuration.md\n';

/** @param named the file that the caller named; default: the usual one */
export function settingsTarget(named: string | undefined): string {
  return resolve(named ?? usualFile());
}

/** @throws invalid_configuration where the file is present and the caller does not agree to replace it */
export async function agreeToReplace(file: string): Promise<void> {
  if (!existsSync(file)) return;
  if (hasTerminal() && (await ask(`${file} exists. Type yes to replace it at the end: `)).trim() === 'yes') return;
  fail('invalid_configuration', `${file} exists and was not changed.`, {
    hint: 'Replace it with --force, or name another file with --settings.',
  });
}

export function writeSettings(file: string, values: Values): void {
  const lines = Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}\n`]));
  writeWhole(file, `${HEAD}${lines.join('')}`, 0o600);
}

/** The places of a cluster that joins others: the file of the clusters, and the settings that name it. */
interface ClustersFile {
  name: string;
  file: string;
  settings: string;
  /** The settings name the file already. */
  isNamed: boolean;
}

/**
 * @param settings the file that the caller named; default: the usual one
 * @throws invalid_configuration where the name is taken and `force` is not given, or the settings describe a cluster themselves
 */
export function clustersFile(name: string, settings: string | undefined, force: boolean): ClustersFile {
  if (!CLUSTER_NAME.test(name)) fail('invalid_arguments', '--cluster must have up to 32 of a-z, 0-9 and -.');
  const envFile = settings !== undefined && existsSync(settings) ? settings : undefined;
  const { config, sources } = loadConfig({ env: process.env, envFile });
  const stray = VARIABLES.find((variable) => isOfCluster(variable) && sources[variable] !== 'default');
  if (stray !== undefined)
    fail('invalid_configuration', `${stray} (from ${sources[stray]}) describes a cluster without a name. Nothing was changed.`, {
      hint: 'Move the variables of that cluster into a clusters file first, or leave --cluster out (docs/clusters.md).',
    });
  const named = config.PROXMOX_CLUSTERS_FILE;
  const file = named ?? join(dirname(usualFile()), 'clusters.json');
  if (existsSync(file) && readClusters(file).has(name) && !force)
    fail('invalid_configuration', `${file} has a cluster called ${name}. Nothing was changed.`, { hint: 'Replace it with --force.' });
  return { name, file, settings: settingsTarget(settings), isNamed: named !== undefined };
}

/** Adds the cluster to its file, and the file to the settings. */
export function addCluster({ name, file, settings, isNamed }: ClustersFile, values: Values): void {
  const others = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as object) : {};
  writeWhole(file, `${JSON.stringify({ ...others, [name]: values }, null, 2)}\n`, 0o600);
  if (isNamed) return;
  const text = existsSync(settings) ? `${readFileSync(settings, 'utf8').trimEnd()}\n` : HEAD;
  writeWhole(settings, `${text}PROXMOX_CLUSTERS_FILE=${file}\n`, 0o600);
}
