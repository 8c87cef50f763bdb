import { describe, expect, it } from 'vitest';
import { toolsets } from '../../src/config/values.ts';
import { TOOLSETS } from '../../src/core/settings/toolset.ts';
import { checkAvailable } from '../../src/engine/limits/roles.ts';
import { availableIn } from '../../src/operations/available.ts';
import type { Operation } from '../../src/operations/define.ts';
import { operations } from '../../src/operations/index.ts';

const names = (found: readonly Operation[]) => found.map(({ name }) => name);
const control = ['approve', 'deny', 'list_approvals', 'get_task'];
const some = (name: string) => operations.find((operation) => operation.name === name) as Operation;
const rare: Operation = { ...some('stop_vm'), name: 'rare_change', toolset: 'rare' };
const rareRead: Operation = { ...some('get_vm'), name: 'rare_read', toolset: 'rare' };
const everyday = operations.filter(({ toolset }) => toolset === 'everyday');
const all = [...everyday, rare, rareRead];

describe('the tools that are offered', () => {
  it('are those of the chosen toolsets', () => {
    expect(names(availableIn(all, { readOnly: false, toolsets: ['everyday'] }))).not.toContain('rare_change');
    expect(names(availableIn(all, { readOnly: false, toolsets: TOOLSETS }))).toEqual(names(all));
  });

  it('include the approvals wherever a tool changes something, and only there', () => {
    expect(names(availableIn(all, { readOnly: false, toolsets: ['rare'] }))).toEqual([...control, 'rare_change', 'rare_read']);
    expect(names(availableIn([...everyday, rareRead], { readOnly: false, toolsets: ['rare'] }))).toEqual(['rare_read']);
  });

  it('change and decide nothing in read-only mode', () => {
    expect(names(availableIn(all, { readOnly: true, toolsets: ['rare'] }))).toEqual(['list_approvals', 'get_task', 'rare_read']);
  });

  it('are refused at the call otherwise, with the setting that adds them', async () => {
    await checkAvailable(some('stop_vm'), { readOnly: false, toolsets: ['everyday'] });
    await expect(checkAvailable(some('stop_vm'), { readOnly: true, toolsets: ['everyday'] })).rejects.toThrow('read-only');
    await expect(checkAvailable(some('stop_vm'), { readOnly: false, toolsets: ['api'] })).rejects.toThrow(
      expect.objectContaining({ code: 'forbidden_by_policy', hint: expect.stringContaining('PROXMOX_TOOLSETS=api,everyday') }),
    );
  });

  it('are refused at the call exactly where they are not listed', async () => {
    for (const readOnly of [true, false])
      for (const toolsets of [...TOOLSETS.map((one) => [one]), TOOLSETS]) {
        const settings = { readOnly, toolsets };
        const offered = availableIn(operations, settings);
        for (const one of operations) {
          const refusal = await checkAvailable(one, settings).catch((thrown: unknown) => thrown);
          expect(refusal === undefined, `${one.name}, ${JSON.stringify(settings)}`).toBe(offered.includes(one));
        }
      }
  });
});

describe('PROXMOX_TOOLSETS', () => {
  it('is a list in any order, or all', () => {
    expect(toolsets.parse('api, Everyday')).toEqual(['everyday', 'api']);
    expect(toolsets.parse('rare,all')).toEqual(TOOLSETS);
  });

  it.each(['', 'every', 'everyday,x'])('is not %j', (value) => {
    expect(toolsets.safeParse(value).error?.issues[0]?.message).toContain('some of everyday, rare, firewall, agent, api');
  });
});
