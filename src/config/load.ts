import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { fail } from '../core/errors.ts';
import { applyCeilings, readCeilings } from './ceilings.ts';
import { parseEnvText } from './env-text.ts';
import { type Config, configSchema, describe, VARIABLES, type Variable } from './schema.ts';

export interface LoadOptions {
  env: Record<string, string | undefined>;
  /** `--settings`, or its other spelling `--env-file`; default: the variable PROXMOX_ENV_FILE. */
  envFile?: string | undefined;
  /** Where the operator of the machine sets ceilings. Never from the environment: an agent can write that. */
  systemFile?: string;
}

export interface Loaded {
  config: Config;
  /** Where each value comes from, for `doctor`: `environment`, a file, `default`, or the ceiling that lowered it. */
  sources: Record<Variable, string>;
  /** Warnings: unknown variables, a ceiling that the server's own user can edit. */
  notes: string[];
}

const NOT_SETTINGS = new Set(['PROXMOX_ENV_FILE', 'PROXMOX_MCP_TEST_ALL', 'PROXMOX_MCP_TOKEN']);

/**
 * Reads the variables: environment, then the env file, then `~/.config/proxmox-mcp/env`; never the working folder, where an agent can
 * write. The first that has a value counts; an empty value counts as none. Ceilings of the system-wide file tighten the result.
 * Throws `invalid_configuration`, naming every variable that is wrong and what would be right.
 */
export function loadConfig({ env, envFile, systemFile = '/etc/proxmox-mcp/config.json' }: LoadOptions): Loaded {
  const files = envFiles(env, envFile);
  const layers = [{ source: 'environment', values: withoutNodes(env, files) }, ...files];
  const notes: string[] = [];
  const texts: Record<string, string> = {};
  const sources: Record<string, string> = {};
  for (const name of VARIABLES) {
    const layer = layers.find(({ values }) => (values[name] ?? '').trim() !== '');
    if (layer) texts[name] = layer.values[name] ?? '';
    sources[name] = layer?.source ?? 'default';
  }
  for (const { source, values } of layers) notes.push(...unknownVariables(values, source));

  const config = parse(texts, sources);
  const ceilings = readCeilings(systemFile);
  if (ceilings) {
    applyCeilings(config, sources, parse(withoutNone(ceilings), {}, systemFile), Object.keys(ceilings) as Variable[], systemFile);
    if (canWrite(systemFile)) notes.push(`${systemFile} can be written by the user who runs this server: its ceilings are advisory.`);
  }
  return { config, sources: sources as Record<Variable, string>, notes };
}

/** An empty text in the system-wide file fixes a variable to its default (for most variables none), and no other source may set it. */
function withoutNone(ceilings: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(ceilings).filter(([name, text]) => text !== '' || describe(name as Variable).ceiling !== 'fixed'),
  );
}

/** Turns texts into values; `place` names the file when all of them come from one. */
function parse(texts: Record<string, string>, sources: Record<string, string>, place?: string): Config {
  const result = configSchema.safeParse(texts);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => {
    const name = String(issue.path[0]);
    return { variable: name, source: place ?? sources[name] ?? 'default', expected: issue.message };
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
 * The environment without what Node put into it: Node takes `--env-file` wherever it stands on its command line, and cuts a value at `#`.
 * A value that equals Node's reading of the file is the file's.
 */
function withoutNodes(env: LoadOptions['env'], files: readonly EnvFile[]): Record<string, string> {
  const own = Object.entries(env).filter(([name, value]) => value === undefined || !files.some(({ byNode }) => byNode?.[name] === value));
  return Object.fromEntries(own) as Record<string, string>;
}

function envFiles(env: LoadOptions['env'], envFile: string | undefined): EnvFile[] {
  const named = envFile ?? (env.PROXMOX_ENV_FILE?.trim() || undefined);
  const files: EnvFile[] = [];
  if (named !== undefined) {
    const text = readIfThere(named);
    if (text === undefined)
      fail('invalid_configuration', `The env file ${named} does not exist.`, { hint: 'Correct --settings or PROXMOX_ENV_FILE.' });
    // A service manager may let the group of its service read it.
    refuseReadable(named, 0o027);
    files.push({ source: named, values: parseEnvText(text), byNode: parseEnv(text) });
  }
  const usual = join(env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'proxmox-mcp', 'env');
  const text = readIfThere(usual);
  if (text !== undefined) {
    refuseReadable(usual, 0o077);
    files.push({ source: usual, values: parseEnvText(text) });
  }
  return files;
}

/** @param forbidden permission bits that a file with a secret must not have */
function refuseReadable(file: string, forbidden: number): void {
  if ((statSync(file).mode & forbidden) === 0) return;
  fail('invalid_configuration', `${file} contains a secret, but other users of this machine can read or change it.`, {
    hint: `Run: chmod 600 ${file}`,
  });
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    fail('invalid_configuration', `${path} cannot be read (${(error as NodeJS.ErrnoException).code}).`, { cause: error });
  }
}

function unknownVariables(values: Record<string, string | undefined>, source: string): string[] {
  return Object.keys(values)
    .filter((name) => name.startsWith('PROXMOX_') && !NOT_SETTINGS.has(name) && !(VARIABLES as string[]).includes(name))
    .map((name) => `${name} (from ${source}) is not a setting of this server and is ignored.`);
}

function canWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
