import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { matrix, policyKeys, withBlocks } from '../../../scripts/docs/approvals.ts';
import { policySchema } from '../../../src/config/policy-schema.ts';

const read = (file: string) => readFileSync(new URL(`../../../docs/${file}`, import.meta.url), 'utf8');
const text = read('approvals.md');

test('the tables of docs/approvals.md follow from the policy file and from what the end-to-end test executes', () => {
  expect(withBlocks(text, { 'policy keys': policyKeys(), matrix: matrix(read('approvals-matrix.json')) })).toBe(text);
});

test('every key of the policy file is explained', () => {
  const { rules, only, per_hour } = policySchema().shape;
  const rule = rules.unwrap().element.shape;
  const keys = [
    ...Object.keys(policySchema().shape),
    ...Object.keys(rule).map((key) => `rules[].${key}`),
    ...Object.keys(rule.match.unwrap().shape).map((key) => `rules[].match.${key}`),
    ...Object.keys(only.unwrap().shape).map((key) => `only.${key}`),
    ...Object.keys(per_hour.unwrap().shape).map((key) => `per_hour.${key}`),
  ];
  for (const key of keys) expect(text).toMatch(new RegExp(`\\| \`${key.replaceAll(/[[\].]/g, '\\$&')}\`\\?? \\| [^|]+ \\| \\S`));
});

test('the example is a policy', () => {
  const example = /```json\n(.*?)```/s.exec(text)?.[1] ?? '';
  expect(policySchema().safeParse(JSON.parse(example)).error).toBeUndefined();
});

test('every row of the matrix has its place in the table', () => {
  const rows = JSON.parse(read('approvals-matrix.json')) as { mode: string; human: string; transport: string; end: string }[];
  const [head = '', , ...lines] = matrix(JSON.stringify(rows)).split('\n');
  const cells = (line: string) => line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, ''));
  for (const { mode, human, transport, end } of rows) {
    const line = lines.find((one) => one.startsWith(`| ${human} |`)) ?? '';
    expect(cells(line)[cells(head).indexOf(`\`${mode}\`, ${transport}`)]).toBe(end);
  }
});

test('a mark that is missing is an error', () => {
  expect(() => withBlocks('no marks', { matrix: '' })).toThrow('<!-- matrix -->');
});
