import { fail } from '../core/errors/errors.ts';
import { APPROVAL_MODES, type ApprovalMode } from '../core/settings/settings.ts';
import { parseJson, readIfThere } from './own-file.ts';
import { type Config, describe, VARIABLES, type Variable } from './schema.ts';
import { variableTexts } from './values.ts';

/** The values of the system-wide file, which bind every other source. */
export interface Ceilings {
  file: string;
  names: readonly Variable[];
  values: Config;
}

/**
 * Reads the system-wide file: a JSON object of variables, for example `{"PROXMOX_MAX_VMS": 20, "PROXMOX_APPROVAL": "human"}`.
 * Undefined when there is none; a file that cannot be parsed stops the server, because a ceiling that silently disappears limits nothing.
 */
export function readCeilings(file: string): Record<string, string> | undefined {
  const text = readIfThere(file);
  if (text === undefined) return undefined;
  const { data } = variableTexts.safeParse(parseJson(text));
  if (!data) return fail('invalid_configuration', `${file} must be a JSON object of variables and their values.`);
  const known: string[] = VARIABLES.filter((variable) => describe(variable).ceiling !== undefined);
  const wrong = Object.keys(data).find((name) => !known.includes(name));
  if (wrong !== undefined) fail('invalid_configuration', `${file} cannot limit ${wrong}. It can limit: ${known.join(', ')}.`);
  return data;
}

/** Tightens `config` in place to the ceilings and notes in `sources` where one took effect. */
export function tighten(config: Config, sources: Record<string, string>, { file, names, values }: Ceilings): void {
  for (const name of names) {
    const asked = config[name];
    const bound = tighter(name, asked, values[name]);
    if (bound === asked) continue;
    (config as Record<string, unknown>)[name] = bound;
    sources[name] = sources[name] === 'default' ? file : `${file} (which overrules ${sources[name]})`;
  }
}

function tighter(name: Variable, asked: unknown, allowed: unknown): unknown {
  switch (describe(name).ceiling) {
    case 'lower':
      return asked === undefined ? allowed : Math.min(asked as number, allowed as number);
    case 'true':
      return asked || allowed;
    case 'stricter':
      return APPROVAL_MODES.indexOf(asked as ApprovalMode) >= APPROVAL_MODES.indexOf(allowed as ApprovalMode) ? asked : allowed;
    default:
      return allowed;
  }
}
