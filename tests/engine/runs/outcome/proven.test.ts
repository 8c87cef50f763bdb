import { describe, expect, it } from 'vitest';
import type { Condition } from '../../../../src/core/plan/plan.ts';
import type { ProxmoxApi } from '../../../../src/core/proxmox.ts';
import { isProven } from '../../../../src/engine/runs/outcome/follow.ts';
import { iso, requestStep } from '../../../helpers/parts.ts';

describe('the proof of a step', () => {
  it('looks only at what happened since its request: an older backup proves no new one', async () => {
    const proof: Condition = { kind: 'backup', vmid: 105, node: 'pve', storage: 'nas' };
    const asked: unknown[] = [];
    const api = {
      holds: async (_proof: Condition, since?: number) => {
        asked.push(since);
        return false;
      },
    } as unknown as ProxmoxApi;
    expect(await isProven(requestStep('backup', { proof }), { at: iso(0) }, api)).toBe(false);
    expect(asked).toEqual([Math.floor(Date.parse(iso(0)) / 1000)]);
  });
});
