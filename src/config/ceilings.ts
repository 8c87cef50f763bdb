import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { fail } from '../core/errors/errors.ts';
import { type Config, describe, VARIABLES, type Variable } from './schema.ts';

const APPROVAL_STRICTNESS = ['relay', 'auto', 'human'];
const fileSchema = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

/**
 * Reads the system-wide file: a JSON object of variables, for example `{"PROXMOX_MAX_VMS": 20, "PROXMOX_APPROVAL": "human"}`.
 * Undefined when there is none; a file that cannot be parsed stops the server, because a ceiling that silently disappears limits nothing.
 */
export function readCeilings(path: string): Record<string, string> | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    return fail('invalid_configuration', `The system-wide limits in ${path} cannot be read. Nothing was done.`, { cause: error });
  }
  const parsed = fileSchema.safeParse(parseJson(text));
  if (!parsed.success) fail('invalid_configuration', `${path} must be a JSON object of variables and their values.`);
  for (const name of Object.keys(parsed.data)) {
    if (!(VARIABLES as string[]).includes(name) || describe(name as Variable).ceiling === undefined) {
      const known = VARIABLES.filter((variable) => describe(variable).ceiling !== undefined);
      fail('invalid_configuration', `${path} cannot limit ${name}. It can limit: ${known.join(', ')}.`);
    }
  }
  return Object.fromEntries(Object.entries(parsed.data).map(([name, value]) => [name, String(value)]));
}

/** Tightens `config` in place to the ceilings and notes in `sources` where one took effect. */
export function applyCeilings(config: Config, sources: Record<string, string>, ceilings: Config, names: Variable[], path: string): void {
  for (const name of names) {
    const asked = config[name];
    const allowed = ceilings[name];
    const bound = tighter(name, asked, allowed);
    if (bound === asked) continue;
    (config as Record<string, unknown>)[name] = bound;
    sources[name] = sources[name] === 'default' ? path : `${path} (which overrules ${sources[name]})`;
  }
}

function tighter(name: Variable, asked: unknown, allowed: unknown): unknown {
  switch (describe(name).ceiling) {
    case 'lower':
      return asked === undefined ? allowed : Math.min(asked as number, allowed as number);
    case 'true':
      return asked || allowed;
    case 'stricter':
      return APPROVAL_STRICTNESS.indexOf(asked as string) >= APPROVAL_STRICTNESS.indexOf(allowed as string) ? asked : allowed;
    default:
      return allowed;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
