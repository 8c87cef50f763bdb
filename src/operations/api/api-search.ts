import * as z from 'zod';
import { type ApiMethod, contract, type Parameter } from '../../proxmox/contract/contract.ts';
import { defineOperation, type Operation } from '../define.ts';
import { filled } from '../filled.ts';
import { classOf } from './lib/classes.ts';
import { search } from './lib/search.ts';

const MAX_METHODS = 12;
const MAX_NAMES = 25;

/** Reads the contract alone, nothing of the cluster. */
export const apiSearch = (tools: readonly Operation[]) =>
  defineOperation({
    name: 'api_search',
    title: 'Find a method of the API',
    effect: 'read',
    ofNoCluster: true,
    toolset: 'api',
    description:
      'Finds methods of the Proxmox VE API for what no other tool does, by words ("ha rule") or, with full types, by name ("PUT /pools/{poolid}").',
    input: z.strictObject({ query: filled(200) }),
    output: z.object({
      methods: z.array(z.object({ method: z.string(), reach: z.string(), params: z.string() })),
      notice: z.string().optional(),
    }),
    reads: [],
    example: { query: 'pool comment' },
    table: 'methods',
    preview: () => [],
    async read(_ctx, { query }) {
      const { methods } = await contract();
      const named = methods.find((one) => `${one.method} ${one.path}` === query.replace(/\s+/, ' '));
      const found = named ? [named] : search(methods, query);
      const more = found.length - MAX_METHODS;
      return {
        methods: found.slice(0, MAX_METHODS).map((one) => ({
          method: `${one.method} ${one.path}`,
          reach: reachOf(one, tools),
          params: paramsOf(one, named !== undefined),
        })),
        ...(found.length === 0 ? { notice: 'no method has these words: try other words, such as those of its path' } : {}),
        ...(more > 0 ? { notice: `${more} more: give more words` } : {}),
      };
    },
  });

function reachOf(method: ApiMethod, tools: readonly Operation[]): string {
  const found = classOf(method, tools);
  if (found.by === 'tool') return `use ${found.tool}`;
  if (found.by === 'never') return `never: ${found.reason}`;
  return found.effect === 'read' ? 'api_read' : `api_change (${found.effect})`;
}

/** `poolid*, comment`: the star marks a required parameter; with types `poolid* pve-poolid, comment string`. */
function paramsOf({ parameters, path }: ApiMethod, typed: boolean): string {
  const isNeeded = ([name, one]: [string, Parameter]) => path.includes(`{${name}}`) || (!one.optional && !name.endsWith('[n]'));
  const all = Object.entries(parameters).sort((a, b) => Number(isNeeded(b)) - Number(isNeeded(a)));
  const shown = typed ? all : all.slice(0, MAX_NAMES);
  const text = shown.map(([name, one]) => `${name}${isNeeded([name, one]) ? '*' : ''}${typed ? ` ${typeOf(one)}` : ''}`);
  return `${text.join(', ')}${shown.length < all.length ? ` and ${all.length - shown.length} more` : ''}`;
}

function typeOf({ type = 'string', enum: words, format, minimum, maximum }: Parameter): string {
  if (words) return words.join('|');
  if (type === 'string') return typeof format === 'string' && !format.startsWith('#') ? format : format ? 'key=value,…' : type;
  return minimum !== undefined || maximum !== undefined ? `${type} ${minimum ?? ''}…${maximum ?? ''}` : type;
}
