import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { binary } from '../helpers/binary.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'stdio-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

/** What the shipped server prints when this text is all that ever comes on its standard input, as from `printf … | proxmox-mcp stdio`. */
async function piped(text: string) {
  const env = { PATH: process.env.PATH ?? '', HOME: home, PROXMOX_DATA_DIR: home };
  const child = spawn(process.execPath, [binary(), 'stdio', '--demo'], { env, stdio: ['pipe', 'pipe', 'ignore'] });
  let stdout = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stdin.end(text);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  // Each line has to be JSON: anything else would break the protocol.
  const lines = stdout.split('\n').filter((line) => line !== '');
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field
  return { code, answers: lines.map((line) => JSON.parse(line) as any) };
}
const message = (fields: object) => JSON.stringify({ jsonrpc: '2.0', ...fields });
const initialize = (protocolVersion: string) =>
  message({ id: 1, method: 'initialize', params: { protocolVersion, capabilities: {}, clientInfo: { name: 'c', version: '1' } } });
const initialized = message({ method: 'notifications/initialized' });
const list = message({ id: 2, method: 'tools/call', params: { name: 'list_vms', arguments: { limit: 1 } } });

test('a dialogue piped into the server is answered to its end, although standard input ends at once', async () => {
  const { code, answers } = await piped(`${[initialize('2025-11-25'), initialized, list].join('\n')}\n`);
  expect(code).toBe(0);
  expect(answers.map(({ id }) => id)).toEqual([1, 2]);
  expect(answers[1].result.structuredContent.total).toBeGreaterThan(0);
});

test('lines with CRLF are read, and lines that are not JSON are ignored, with nothing on standard output', async () => {
  const { answers } = await piped(`${[initialize('2025-11-25'), 'not json', '{"half":', '', initialized, list].join('\r\n')}\r\n`);
  expect(answers.map(({ id }) => id)).toEqual([1, 2]);
});

describe('the version of the protocol', () => {
  test.each([
    ['2024-11-05', '2024-11-05'],
    ['2025-03-26', '2025-03-26'],
    ['2025-06-18', '2025-06-18'],
    ['2025-11-25', '2025-11-25'],
    ['1999-01-01', '2025-11-25'],
  ])('requested as %s is answered as %s', async (asked, answered) => {
    const { answers } = await piped(`${initialize(asked)}\n`);
    expect(answers[0].result.protocolVersion).toBe(answered);
  });
});
