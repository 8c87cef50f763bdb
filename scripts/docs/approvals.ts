import * as z from 'zod';
import { policySchema } from '../../src/config/policy-schema.ts';
import { rows } from './markdown.ts';
import { members, type Schema } from './tools.ts';

/** Every key of the policy file, as a table. */
export function policyKeys(): string {
  const schema = z.toJSONSchema(policySchema(), { io: 'input', unrepresentable: 'any' }) as Schema;
  const body = members(schema).map(([key = '', type = '', text = '']) => [
    key,
    type,
    text.replace('. Default:', '; default:').replace(/\.$/, ''),
  ]);
  return rows(['Key', 'Type', 'Meaning'], body);
}

/** One row of docs/approvals-matrix.json, which an end-to-end test executes. */
interface MatrixRow {
  mode: string;
  human: string;
  transport: string;
  end: string;
}

/** The deciding party, as it was tried: a line for what the human's client does, a column for mode and transport. */
export function matrix(json: string): string {
  const tried = json === '' ? [] : (JSON.parse(json) as MatrixRow[]);
  const column = ({ mode, transport }: MatrixRow) => `\`${mode}\`, ${transport}`;
  const columns = [...new Set(tried.map(column))];
  const humans = [...new Set(tried.map(({ human }) => human))];
  const endOf = (human: string, name: string) => tried.find((row) => row.human === human && column(row) === name)?.end ?? '';
  return rows(
    ['The human …', ...columns],
    humans.map((human) => [human, ...columns.map((name) => endOf(human, name))]),
  );
}

/** Replaces what stands between `<!-- name -->` and `<!-- /name -->`. Throws when a mark is missing: then a table would silently grow old. */
export function withBlocks(text: string, blocks: Record<string, string>): string {
  return Object.entries(blocks).reduce((result, [name, block]) => {
    const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
    const [from, to] = [result.indexOf(begin), result.indexOf(end)];
    const isOnce = from === result.lastIndexOf(begin) && to === result.lastIndexOf(end);
    if (from === -1 || to < from || !isOnce) throw new Error(`${begin} and ${end} are not once in the text`);
    return `${result.slice(0, from + begin.length)}\n\n${block}\n\n${result.slice(to)}`;
  }, text);
}
