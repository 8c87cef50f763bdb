import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { fail } from '../core/errors/errors.ts';
import { nearest } from '../core/text/nearest.ts';
import { type Ceilings, readCeilings, tighten } from './ceilings.ts';
import { isOfCluster, readClusters } from './clusters.ts';
import { linesNotUnderstood, parseEnvText } from './env-text.ts';
import { readIfThere, readOwnFile, refuseReadable } from './own-file.ts';
import { type Config, configSchema, describe, VARIABLES, type Variable } from './schema.ts';

interface LoadOptions {
  env: Record<string, string | undefined>;
  /** Values of the command itself, before all others. */
  given?: Record<string, string>;
  /** The absolute path of a file that is not read: the command replaces it. */
  without?: string;
  /** `--settings`, or its other spelling `--env-file`; default: the variable PROXMOX_ENV_FILE. */
  envFile?: string | undefined;
  /** Where the operator of the machine sets ceilings. Never from the environment: an agent can write that. */
  systemFile?: string;
}

export interface Loaded {
  config: Config;
  /** Where each value comes from, for `doctor`: `environment`, a file, `default`, or the ceiling that lowered it. */
  sources: Record<Variable, string>;
  /** The clusters of PROXMOX_CLUSTERS_FILE by name, read when called; absent: the environment describes the only one. */
  clusters?: () => ReadonlyMap<string, Config>;
  /** Warnings: unknown variables, a ceiling that the server's own user can edit. */
  notes: string[];
  /** Those of the notes that a server should not keep to itself: a setting was meant, and what it limits is not limited. */
  mistaken: string[];
}

const NOT_SETTINGS = new Set(['PROXMOX_ENV_FILE', 'PROXMOX_MCP_TEST_ALL', 'PROXMOX_MCP_TOKEN']);

/**
 * Reads the variables: environment, then the env file, then `~/.config/proxmox-mcp/env`; never the working folder, where an agent can
 * write. The first that has a value counts; an empty value counts as none. Ceilings of the system-wide file tighten the result.
 * Throws `invalid_configuration`, naming every variable that is wrong and what would be right.
 */
export function loadConfig(options: LoadOptions): Loaded {
  const { env, given: own = {}, systemFile = '/etc/proxmox-mcp/config.json' } = options;
  const files = envFiles(options);
  const layers = [{ source: 'this command', values: own }, { source: 'environment', values: withoutNodes(env, files) }, ...files];
  const notes: string[] = [];
  const texts: Record<string, string> = {};
  const sources: Record<string, string> = {};
  for (const name of VARIABLES) {
    const layer = layers.find(({ values }) => (values[name] ?? '').trim() !== '');
    if (layer) texts[name] = layer.values[name] ?? '';
    sources[name] = layer?.source ?? 'default';
  }
  const mistaken: string[] = [];
  for (const { source, values } of layers) {
    for (const { text, isMeant } of unknownVariables(values, source)) {
      notes.push(text);
      if (isMeant) mistaken.push(text);
    }
  }

  const config = parse(texts, (name) => sources[name] ?? 'default');
  const ceilings = ceilingsIn(systemFile);
  const given = VARIABLES.filter((name) => sources[name] !== 'default');
  if (ceilings) {
    tighten(config, sources, ceilings);
    if (canWrite(systemFile)) notes.push(`${systemFile} can be written by the user who runs this server: its ceilings are advisory.`);
  }
  const loaded = { config, sources: sources as Record<Variable, string>, notes, mistaken };
  const file = config.PROXMOX_CLUSTERS_FILE;
  return file === undefined ? loaded : { ...loaded, clusters: () => clustersIn(file, given, loaded.sources, ceilings) };
}

/**
 * Each cluster with its own values, under the ceilings of the system-wide file. A variable of a cluster has one place: the clusters file.
 * @param given variables that the environment or an env file sets
 * @throws invalid_configuration
 */
function clustersIn(
  file: string,
  given: readonly Variable[],
  sources: Loaded['sources'],
  ceilings: Ceilings | undefined,
): ReadonlyMap<string, Config> {
  const stray = given.find(isOfCluster);
  if (stray !== undefined)
    fail('invalid_configuration', `${stray} (from ${sources[stray]}) describes one cluster, but PROXMOX_CLUSTERS_FILE is set.`, {
      hint: `Move it to its cluster in ${file}, or unset PROXMOX_CLUSTERS_FILE.`,
    });
  // One address for all would send the token of each to the same host.
  const fixed = ceilings?.names.find((name) => describe(name).section === 'Connection' && name !== 'PROXMOX_VERIFY_SSL');
  if (fixed !== undefined)
    fail('invalid_configuration', `The system-wide file fixes ${fixed} for one cluster, but PROXMOX_CLUSTERS_FILE is set.`, {
      hint: 'The operator of this machine fixes PROXMOX_CLUSTERS_FILE there instead.',
    });
  const clusters = [...readClusters(file)].map(([name, texts]) => {
    const config = parse(texts, () => `${name} in ${file}`);
    if (ceilings) tighten(config, {}, ceilings);
    return [name, config] as const;
  });
  return new Map(clusters);
}

/** An empty text in the system-wide file fixes a variable to its default (for most variables none), and no other source may set it. */
function ceilingsIn(file: string): Ceilings | undefined {
  const texts = readCeilings(file);
  if (!texts) return undefined;
  const names = Object.keys(texts) as Variable[];
  const set = names.filter((name) => texts[name] !== '' || describe(name).ceiling !== 'fixed');
  return { file, names, values: parse(Object.fromEntries(set.map((name) => [name, texts[name] ?? ''])), () => file) };
}

/** @param sourceOf where the text of a variable comes from */
function parse(texts: Record<string, string>, sourceOf: (variable: Variable) => string): Config {
  // Code that zod generates pays for itself after many values.
  const result = configSchema.safeParse(texts, { jitless: true });
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path: [name], message }) => {
    const variable = name as Variable;
    return { variable, source: sourceOf(variable), expected: message };
  });
  fail('invalid_configuration', problems.map((p) => `${p.variable} (from ${p.source}) must be ${p.expected}.`).join(' '), {
    details: { problems },
  });
}

interface EnvFile {
  source: string;
  values: Record<string, string>;
  /** The same by Node's parser, where Node may have read the file before. */
  byNode?: NodeJS.Dict<string>;
}

/**
 * The environment without what Node put into it: Node takes `--env-file` anywhere on its command line, and cuts a value at `#`.
 * A value that equals Node's reading of the file is the file's.
 */
function withoutNodes(env: LoadOptions['env'], files: readonly EnvFile[]): Record<string, string> {
  const own = Object.entries(env).filter(([name, value]) => value === undefined || !files.some(({ byNode }) => byNode?.[name] === value));
  return Object.fromEntries(own) as Record<string, string>;
}

/** The env file that is read without being named. */
export function usualFile(env: LoadOptions['env'] = process.env): string {
  return join(env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'proxmox-mcp', 'env');
}

function envFiles({ env, envFile, without }: LoadOptions): EnvFile[] {
  const named = envFile ?? (env.PROXMOX_ENV_FILE?.trim() || undefined);
  const files: EnvFile[] = [];
  if (named !== undefined && resolve(named) !== without) {
    const text = readOwnFile(named, 'The env file', 'Correct --settings or PROXMOX_ENV_FILE.');
    files.push({ source: named, values: assignments(text, named), byNode: parseEnv(text) });
  }
  const usual = usualFile(env);
  const text = resolve(usual) === without ? undefined : readIfThere(usual);
  if (text !== undefined) {
    refuseReadable(usual, 0o077);
    files.push({ source: usual, values: assignments(text, usual) });
  }
  return files;
}

/** @throws invalid_configuration with the numbers of lines alone, because a line may hold a secret */
function assignments(text: string, file: string): Record<string, string> {
  const [first, ...others] = linesNotUnderstood(text);
  if (first === undefined) return parseEnvText(text);
  const more = others.length > 0 ? `, and ${others.length} more,` : '';
  return fail('invalid_configuration', `Line ${first}${more} of ${file} cannot be understood.`, {
    hint: 'Write one NAME=value a line. Close quotes, and begin comments with #.',
  });
}

/** `isMeant`: a file is ours, while the environment holds variables of other programs too, of which one that is similar was meant. */
function unknownVariables(values: Record<string, string | undefined>, source: string): { text: string; isMeant: boolean }[] {
  return Object.keys(values)
    .filter((name) => name.startsWith('PROXMOX_') && !NOT_SETTINGS.has(name) && !(VARIABLES as string[]).includes(name))
    .map((name) => {
      const [similar] = nearest(name, VARIABLES, 1);
      const text = `${name} (from ${source}) is not a setting of this server and is ignored.`;
      return { text: similar ? `${text} Did you mean ${similar}?` : text, isMeant: similar !== undefined || source !== 'environment' };
    });
}

function canWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
