import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/core/text/json.ts';
import { roughTokens } from '../../src/core/text/tokens.ts';
import { renderResult } from '../../src/render/result.ts';

const done = (output: JsonObject, tables = {}) => renderResult({ kind: 'done', output }, { tables });
const tokens = (value: unknown) => encode(typeof value === 'string' ? value : JSON.stringify(value)).length;

describe('a list', () => {
  const output = {
    vms: [
      { vmid: 100, name: 'web1', tags: ['a', 'b'] },
      { vmid: 101, name: 'web2', lock: 'backup' },
    ],
    total: 2,
  };

  it('is a table for models, with a cell in every column, and objects for programs', () => {
    const { structured, forModel, text } = done(output, { table: 'vms' });
    expect(forModel).toEqual({
      columns: ['vmid', 'name', 'tags', 'lock'],
      rows: [
        [100, 'web1', ['a', 'b'], null],
        [101, 'web2', null, 'backup'],
      ],
      total: 2,
    });
    expect(structured).toEqual(output);
    expect(text).toBe('[2] vmid|name|tags|lock:\n 100|web1|a,b|\n 101|web2||backup\ntotal: 2');
  });

  it('shows models the chosen columns, and programs whole rows without the choice', () => {
    const { structured, forModel } = done({ ...output, columns: ['name', 'lock'] }, { table: 'vms' });
    expect(forModel).toMatchObject({
      columns: ['name', 'lock'],
      rows: [
        ['web1', null],
        ['web2', 'backup'],
      ],
    });
    expect(forModel).not.toHaveProperty('vms');
    expect(structured).toEqual(output);
  });

  it('that is empty is an empty table', () => {
    expect(done({ vms: [], total: 0 }, { table: 'vms' }).forModel).toEqual({ columns: [], rows: [], total: 0 });
  });

  it('within another answer is a table under its own name', () => {
    const { structured, forModel, text } = done({ nodes: [{ node: 'pve', cpus: 4 }], x: 1 }, { tables: ['nodes'] });
    expect(forModel).toEqual({ nodes: { columns: ['node', 'cpus'], rows: [['pve', 4]] }, x: 1 });
    expect(structured).toEqual({ nodes: [{ node: 'pve', cpus: 4 }], x: 1 });
    expect(text).toBe('nodes[1] node|cpus:\n pve|4\nx: 1');
  });

  it('cannot be faked by a name: text that would end a cell is in quotes', () => {
    const { text } = done({ vms: [{ vmid: 1, name: 'a|2|b\n 3|c' }], total: 1 }, { table: 'vms' });
    expect(text.split('\n')).toHaveLength(3);
    expect(text).toContain('1|"a|2|b\\n 3|c"');
  });

  it('costs readers of text no more than the same JSON', () => {
    const vms = Array.from({ length: 60 }, (_, i) => ({
      vmid: i,
      name: `web, ${i}`,
      node: 'pve',
      tags: ['a', 'b c'],
      memory_mb: 2048 * i,
    }));
    const { forModel, text } = done({ vms, total: 60 }, { table: 'vms' });
    expect(tokens(text)).toBeLessThanOrEqual(tokens(forModel));
  });
});

describe('an answer for a model', () => {
  const lines = (count: number) => Array.from({ length: count }, (_, i) => `line ${i}: the disk vm-${i}-disk-0 of local-lvm was copied`);

  it('that is too long keeps the beginning of its longest lists, says what it left out, and how to get it', () => {
    const { forModel, structured } = done({ status: 'stopped', log: lines(2000), others: lines(20) });
    expect(tokens(forModel)).toBeLessThanOrEqual(6000);
    const kept = (forModel.log as string[]).length;
    expect(kept).toBeGreaterThan(100);
    expect(forModel).toMatchObject({ status: 'stopped', others: lines(20), log: lines(kept) });
    expect(forModel.left_out).toEqual([
      `log: the first ${kept} of 2000`,
      expect.stringMatching(/limit, filters, fields.*proxmox-mcp call/),
    ]);
    expect(structured.log).toHaveLength(2000);
  });

  it.each<[string, JsonObject]>([
    ['a table', { vms: Array.from({ length: 900 }, (_, i) => ({ vmid: i, name: `guest-${i}` })) }],
    ['many texts', Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`t${i}`, 'some words of a log '.repeat(60)]))],
    ['many lists', Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`l${i}`, lines(40)]))],
    ['a list of long texts', { list: Array.from({ length: 4 }, () => 'x y z '.repeat(5000)) }],
    ['a list of lists', { list: Array.from({ length: 50 }, () => ({ inner: lines(30) })) }],
  ])('is at most 6,000 tokens: %s', (_what, output) => {
    const { forModel, text } = done(output, { table: 'vms' });
    expect(tokens(forModel)).toBeLessThanOrEqual(6000);
    expect(tokens(text)).toBeLessThanOrEqual(6000);
    expect((forModel.left_out as string[]).length).toBeGreaterThan(1);
  });

  it('that fits is untouched', () => {
    const output = { log: lines(40) };
    expect(done(output).forModel).toEqual(output);
  });
});

describe('the estimate of tokens', () => {
  it.each<[string, string]>([
    [
      'a table',
      JSON.stringify(Array.from({ length: 100 }, (_, i) => [100 + i, `web-${i}`, 'running', 'pve', 12.3 + i, 1024 * i, 86_400 + i])),
    ],
    ['objects', JSON.stringify(Array.from({ length: 100 }, (_, i) => ({ vmid: i, name: `web${i}`, tags: ['a', 'prod'] })))],
    ['task ids', Array.from({ length: 50 }, (_, i) => `UPID:pve:0000${i}AF:000CE9D2:6B037E9F:qmstop:74${i}:mcp@pve!agent:`).join('\n')],
    ['prose', 'A run has one worker and a lease. Every journal write names the worker, so that a process can write nothing. '.repeat(30)],
    ['Japanese', '日本語のテキストがここにあります。仮想マシン'.repeat(30)],
  ])('is near the count of a tokenizer: %s', (_what, text) => {
    const ratio = roughTokens(text) / tokens(text);
    expect(ratio).toBeGreaterThan(0.9);
    expect(ratio).toBeLessThan(1.6);
  });
});
