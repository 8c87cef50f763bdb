import { readFileSync, writeFileSync } from 'node:fs';
import { encode } from 'gpt-tokenizer/encoding/o200k_base';

const FILE = new URL('../../docs/benchmarks.md', import.meta.url);
const BEGIN = '<!-- npm run jobs: begin -->';
const END = '<!-- npm run jobs: end -->';

export interface Row {
  number: number;
  prompt: string;
  tools: string[];
  /** Tokens (o200k) of the arguments. */
  in: number;
  /** Tokens (o200k) of the answers, as the client hands them to the model. */
  out: number;
}

export const tokens = (value: unknown): number => encode(JSON.stringify(value)).length;

/** `list_vms`, `delete_vm, deny, delete_vm, approve` */
const shown = ({ number, prompt, tools, in: sent, out }: Row): string =>
  `| ${number} | ${prompt.replace(/(ssh-ed25519) \S+ [^\s.]+/, '($1)').replace(/https:\/\/\S+\/(\S+)\)/, '$1)')} | ${tools.map((tool) => `\`${tool}\``).join(', ')} | ${tools.length} | ${sent} | ${out} |`;

export function tableOf(rows: readonly Row[]): string {
  const sum = (of: (row: Row) => number) => rows.map(of).reduce((a, b) => a + b, 0);
  return [
    '| | job | tools called | calls | tokens in | tokens out |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows.map(shown),
    `| | **all** | | **${sum((row) => row.tools.length)}** | **${sum((row) => row.in)}** | **${sum((row) => row.out)}** |`,
  ].join('\n');
}

/** The table in the documentation. */
export function published(): string {
  return readFileSync(FILE, 'utf8').split(BEGIN)[1]?.split(END)[0]?.trim() ?? '';
}

export function publish(table: string): void {
  const text = readFileSync(FILE, 'utf8');
  const [before = '', rest = ''] = text.split(BEGIN);
  writeFileSync(FILE, `${before}${BEGIN}\n${table}\n${END}${rest.split(END)[1] ?? ''}`);
}
