import { readFileSync, writeFileSync } from 'node:fs';
import { encode } from 'gpt-tokenizer/encoding/o200k_base';

const FILE = new URL('../../docs/benchmarks.md', import.meta.url);

export interface Row {
  number: number;
  prompt: string;
  /** As they are shown: `` `get_vm` (on both) ``. */
  tools: string[];
  /** Tokens (o200k) of the arguments. */
  in: number;
  /** Tokens (o200k) of the answers, as the client hands them to the model. */
  out: number;
}

export const tokens = (value: unknown): number => encode(JSON.stringify(value)).length;

const shown = ({ number, prompt, tools, in: sent, out }: Row): string =>
  `| ${number} | ${prompt.replace(/(ssh-ed25519) \S+ [^\s.]+/, '($1)').replace(/https:\/\/\S+\/(\S+)\)/, '$1)')} | ${tools.join(', ')} | ${tools.length} | ${sent} | ${out} |`;

export function tableOf(rows: readonly Row[]): string {
  const sum = (of: (row: Row) => number) => rows.map(of).reduce((a, b) => a + b, 0);
  return [
    '| | job | tools called | calls | tokens in | tokens out |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows.map(shown),
    `| | **all** | | **${sum((row) => row.tools.length)}** | **${sum((row) => row.in)}** | **${sum((row) => row.out)}** |`,
  ].join('\n');
}

/** The same jobs on two clusters. The prompts are those of the table above it. */
export function tableOfTwo(rows: readonly Row[]): string {
  return tableOf(rows)
    .split('\n')
    .map((line) => line.split('|').toSpliced(2, 1).join('|'))
    .join('\n');
}

const marks = (name: string) => [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`] as const;

/** The table of that name in the documentation. */
export function published(name: string): string {
  const [begin, end] = marks(name);
  return readFileSync(FILE, 'utf8').split(begin)[1]?.split(end)[0]?.trim() ?? '';
}

export function publish(name: string, table: string): void {
  const [begin, end] = marks(name);
  const text = readFileSync(FILE, 'utf8');
  const [before = '', rest = ''] = text.split(begin);
  writeFileSync(FILE, `${before}${begin}\n${table}\n${end}${rest.split(end)[1] ?? ''}`);
}
