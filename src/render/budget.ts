import type { Json, JsonObject } from '../core/text/json.ts';
import { costsAtMost, roughTokens } from '../core/text/tokens.ts';

/** Most tokens of an answer, as `roughTokens` counts them: 6,000 less its error and the lines of `left_out`. */
const MAX_TOKENS = 5300;
/** Most shortened parts that `left_out` names. */
const NAMED = 8;
/** Members of a list, or characters of a text, below which it is not shortened. */
const LEAST = { list: 3, text: 200 };

interface Part {
  path: string;
  tokens: number;
  length: number;
  /** Keeps the first `length` members or characters. */
  cut: (length: number) => void;
}

/**
 * An answer that fits a model's context. The longest lists and texts of a longer one keep their beginning. `left_out` names them, with how much
 * is shown and how to get the rest.
 */
export function withinBudget(body: JsonObject): JsonObject {
  if (costsAtMost(JSON.stringify(body), MAX_TOKENS)) return body;
  const shorter = structuredClone(body);
  const whole = new Map<string, number>();
  for (let total = roughTokens(JSON.stringify(shorter)); total > MAX_TOKENS; total = roughTokens(JSON.stringify(shorter))) {
    const [longest] = partsOf(shorter, '').sort((a, b) => b.tokens - a.tokens);
    if (!longest) break;
    if (!whole.has(longest.path)) whole.set(longest.path, longest.length);
    // At least half stays at once, so that one long list does not vanish for the sake of another.
    const wanted = (longest.length * (longest.tokens - (total - MAX_TOKENS) - 100)) / longest.tokens;
    longest.cut(Math.min(longest.length - 1, Math.floor(Math.max(wanted, longest.length / 2))));
  }
  const kept = new Map(partsOf(shorter, '', { list: 0, text: 0 }).map(({ path, length }) => [path, length]));
  const lines = [...whole].flatMap(([path, length]) => {
    const now = kept.get(path);
    return now === undefined ? [] : [`${path}: the first ${now} of ${length}`];
  });
  return {
    ...shorter,
    left_out: [
      ...lines.slice(0, NAMED),
      ...(lines.length > NAMED ? [`${lines.length - NAMED} more parts are shortened.`] : []),
      'Ask for less at once (limit, filters, fields), or read all with proxmox-mcp call on the command line.',
    ],
  };
}

/** Lists and texts that can be shortened. Rows of a table are parts of the table; columns stay. */
function partsOf(value: Json, path: string, least = LEAST): Part[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]): Part[] => {
    const at = Array.isArray(value) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`;
    const put = (shorter: Json) => {
      (value as Record<string, Json>)[key] = shorter;
    };
    if (typeof item === 'string' && item.length > least.text)
      return [{ path: at, tokens: roughTokens(item), length: item.length, cut: (length) => put(`${item.slice(0, length)}…`) }];
    if (!Array.isArray(item)) return partsOf(item, at, least);
    const inner = partsOf(item, at, least);
    if (item.length <= least.list || key === 'columns') return inner;
    const tokens = roughTokens(JSON.stringify(item));
    return [{ path: at, tokens, length: item.length, cut: (length) => put(item.slice(0, length)) }, ...inner];
  });
}
