import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { VARIABLES } from '../../../src/config/schema.ts';
import { ERRORS } from '../../../src/core/errors/errors.ts';
import { operations } from '../../../src/operations/index.ts';
import { binary } from '../../helpers/binary.ts';

const folder = mkdtempSync(join(tmpdir(), 'docs-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const docs = (flag: string) =>
  spawnSync(process.execPath, [join(dirname(binary()), 'docs.js'), flag], { cwd: folder, env: {}, encoding: 'utf8' });
const text = (file: string) => readFileSync(join(folder, file), 'utf8');

beforeAll(() => {
  expect(docs('--write').status).toBe(0);
});

test('documentation follows from the definitions, and a difference is found', () => {
  expect(docs('--check').status).toBe(0);
  for (const code of Object.keys(ERRORS)) expect(text('docs/errors.md')).toContain(`| \`${code}\` |`);
  for (const name of VARIABLES) for (const file of ['docs/configuration.md', '.env.example']) expect(text(file)).toContain(name);
  for (const { name, input } of operations) {
    expect(text('docs/tools.md')).toContain(`\n## ${name}\n`);
    for (const parameter of Object.keys(input.shape))
      expect(text('docs/tools.md'), `${name}: ${parameter}`).toContain(`| \`${parameter}\``);
  }
  appendFileSync(join(folder, 'docs/errors.md'), 'x');
  rmSync(join(folder, 'docs/rights.md'));
  const { status, stderr } = docs('--check');
  expect(status).toBe(1);
  expect(stderr.match(/^\S+/gm)).toEqual(['docs/errors.md', 'docs/rights.md']);
});

test('an example names the toolset without which the server does not offer its tool', () => {
  const tools = text('docs/tools.md');
  for (const { name, toolset, example } of operations) {
    if (example === undefined) continue;
    const extra = toolset === undefined || toolset === 'everyday' ? '' : `PROXMOX_TOOLSETS=everyday,${toolset} `;
    expect(tools).toContain(`Example: \`${extra}proxmox-mcp call ${name} --args`);
  }
});
