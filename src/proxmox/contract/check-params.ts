import { isIP } from 'node:net';
import { parseNetwork } from '../../core/network.ts';
import type { ApiMethod, Contract, Parameter } from './contract.ts';

/** Values of one request by parameter, those of the path included. */
export type Values = Readonly<Record<string, string | readonly string[]>>;

/**
 * Checks a request against the contract, without the cluster: names, missing parameters, types, enumerations, bounds, and formats that have a
 * pattern. Property strings and formats that only code knows are left to Proxmox.
 * @returns a line for each problem
 */
export function paramProblems({ parameters, open }: ApiMethod, values: Values, contract: Contract): string[] {
  const unknown = Object.keys(values).filter((name) => !open && declaredAs(parameters, name) === undefined);
  const missing = Object.entries(parameters).filter(([name, one]) => !one.optional && !name.endsWith('[n]') && values[name] === undefined);
  const wrong = Object.entries(values).flatMap(([name, value]) => {
    const declared = declaredAs(parameters, name);
    if (!declared) return [];
    const problem = valueProblem(declared, value, contract);
    const without =
      declared.requires !== undefined && values[declared.requires] === undefined ? [`${name} needs ${declared.requires}`] : [];
    return [...(problem === undefined ? [] : [`${name} ${problem}`]), ...without];
  });
  return [...unknown.map((name) => `${name} is not a parameter of it`), ...missing.map(([name]) => `${name} is missing`), ...wrong];
}

/** The declaration of a parameter; `scsi0` is declared as `scsi[n]`. */
export function declaredAs(parameters: ApiMethod['parameters'], name: string): Parameter | undefined {
  const [, stem = '', number] = /^(.*?)(\d+)$/.exec(name) ?? [];
  const numbered = number === undefined ? undefined : parameters[`${stem}[n]`];
  return Object.hasOwn(parameters, name) ? parameters[name] : numbered && Number(number) <= (numbered.n_max ?? -1) ? numbered : undefined;
}

function valueProblem(declared: Parameter, value: string | readonly string[], contract: Contract): string | undefined {
  const { type = 'string', items } = declared;
  if (typeof value !== 'string') {
    if (type !== 'array') return 'must be one value, not a list';
    return items && value.map((item) => valueProblem(items, item, contract)).find((problem) => problem !== undefined);
  }
  if (type === 'array') return valueProblem(declared, [value], contract);
  if (type === 'boolean') return /^[01]$/.test(value) ? undefined : 'must be true or false';
  if (type === 'integer' && !/^[+-]?\d+$/.test(value)) return 'must be an integer';
  if (type === 'number' && !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value)) return 'must be a number';
  if (declared.enum && !declared.enum.includes(value)) return `must be one of ${declared.enum.join(', ')}`;
  const problem = type === 'string' ? textProblem(declared, value) : boundsProblem(declared, Number(value));
  return problem ?? (typeof declared.format === 'string' ? formatProblem(declared.format, value, contract) : undefined);
}

function boundsProblem({ minimum, maximum }: Parameter, value: number): string | undefined {
  if (minimum !== undefined && value < minimum) return `must be at least ${minimum}`;
  return maximum !== undefined && value > maximum ? `must be at most ${maximum}` : undefined;
}

function textProblem({ pattern, minLength = 0, maxLength = Infinity }: Parameter, value: string): string | undefined {
  const { length } = [...value];
  if (length < minLength) return `must have at least ${minLength} characters`;
  if (length > maxLength) return `must have at most ${maxLength} characters`;
  return pattern !== undefined && !perl(`^(?:${pattern})$`).test(value) ? `must match ${pattern}` : undefined;
}

function formatProblem(format: string, value: string, contract: Contract): string | undefined {
  const items = format.endsWith('-list') ? value.split(/[,;\0\s]+/).filter((part) => part !== '') : [value];
  const one = format.replace(/-(list|opt)$/, '');
  const pattern = contract.pattern(one)?.replace(/ \(.*$/, '');
  const fits = pattern === undefined ? ADDRESSES[one] : (item: string) => perl(pattern).test(item);
  const bad = fits && items.find((item) => !fits(item));
  return bad === undefined ? undefined : `must be ${one}`;
}

const ADDRESSES: Record<string, (text: string) => boolean> = {
  ip: (text) => isIP(text) !== 0,
  ipv4: (text) => isIP(text) === 4,
  ipv6: (text) => isIP(text) === 6,
  CIDR: (text) => isNetwork(text, 4, 6),
  CIDRv4: (text) => isNetwork(text, 4),
  CIDRv6: (text) => isNetwork(text, 6),
  IPorCIDR: (text) => isIP(text) !== 0 || isNetwork(text, 4, 6),
};

function isNetwork(text: string, ...versions: (4 | 6)[]): boolean {
  const found = text.includes('/') ? parseNetwork(text) : undefined;
  return found !== undefined && versions.includes(found.version);
}

/** Perl's inline flags become those of the expression. One that JavaScript cannot read lets everything pass: Proxmox checks it. */
function perl(source: string): RegExp {
  const ignoreCase = /\(\?\^?i[:)]/.test(source);
  const text = source.replaceAll(/\(\?\^[a-z]*:/g, '(?:').replaceAll('(?i)', '');
  try {
    return new RegExp(text, ignoreCase ? 'i' : '');
  } catch {
    return /^/;
  }
}
