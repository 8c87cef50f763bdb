import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readPolicy } from '../../src/config/policy.ts';

const folder = mkdtempSync(join(tmpdir(), 'policy-'));
afterAll(() => rmSync(folder, { recursive: true }));
function policy(text: string) {
  const file = join(folder, 'policy.json');
  writeFileSync(file, text);
  return readPolicy(file);
}

describe('the policy file', () => {
  it('states requirements in words and units that people use', () => {
    const read = policy(
      JSON.stringify({
        rules: [
          { match: { tag: ['prod'], effect: ['destroy'] }, approvals: 2, require_backup_within: '24h', cooldown: '5m' },
          { match: { vmid: [105, '100-199'] }, never: true },
        ],
        only: { pools: ['agents'] },
        per_hour: { destroys: 3 },
      }),
    );
    expect(read).toEqual({
      rules: [
        { match: { tag: ['prod'], effect: ['destroy'] }, never: false, approvals: 2, requireBackupWithin: 86_400, cooldown: 300 },
        {
          match: {
            vmid: [
              { from: 105, to: 105 },
              { from: 100, to: 199 },
            ],
          },
          never: true,
        },
      ],
      only: { tags: [], pools: ['agents'], created: false },
      perHour: { destroys: 3 },
    });
  });
  it('names programs item by item and files by their whole paths for run_in_guest', () => {
    const run = { match: { tag: ['lab'] }, argv: [['systemctl', 'status', '*']], files: ['/etc/hosts', 'C:\\logs\\a.txt'] };
    expect(policy(JSON.stringify({ run: [run, { match: { tag: ['lab'] }, files: ['/etc/motd'] }] })).run).toEqual([
      run,
      { match: { tag: ['lab'] }, files: ['/etc/motd'] },
    ]);
  });
  it.each([
    ['a rule for run_in_guest that allows nothing', '{"run": [{"match": {"tag": ["lab"]}}]}'],
    ['a relative file', '{"run": [{"match": {"tag": ["lab"]}, "files": ["etc/hosts"]}]}'],
    ['a file with dots in its path', '{"run": [{"match": {"tag": ["lab"]}, "files": ["/tmp/../etc/hosts"]}]}'],
    ['a file with a wildcard', '{"run": [{"match": {"tag": ["lab"]}, "files": ["/etc/*"]}]}'],
    ['no JSON', '{"rules": ['],
    ['an unknown key', '{"rules": [{"mach": {"tag": ["prod"]}, "never": true}]}'],
    ['a misspelt effect', '{"rules": [{"match": {"effect": ["destory"]}}]}'],
    ['a span without a unit', '{"rules": [{"require_backup_within": "24"}]}'],
    ['a range backwards', '{"rules": [{"match": {"vmid": ["200-100"]}}]}'],
    ['a principal of an unknown form', '{"rules": [{"match": {"principal": ["ci"]}, "never": true}]}'],
    ['a way that does not exist', '{"rules": [{"way": "trust me"}]}'],
  ])('stops the start when it has %s', (_what, text) => {
    expect(() => policy(text)).toThrow(
      expect.objectContaining({ code: 'invalid_configuration', message: expect.stringContaining('policy.json') }),
    );
  });
  it('names principals as callers are named, however their letters are composed', () => {
    const { rules } = policy('{"rules": [{"match": {"principal": ["oauth:Zoe\\u0308"]}, "never": true}]}');
    expect(rules[0]?.match.principal).toEqual(['oauth:Zo\u00eb']);
  });
  it('stops the start when it is missing', () => {
    expect(() => readPolicy(join(folder, 'nowhere.json'))).toThrow(/cannot be used: ENOENT/);
  });
});
