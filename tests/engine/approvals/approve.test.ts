import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/text/json.ts';
import { checkMatches } from '../../../src/engine/approvals/approve.ts';
import { ask, refused, useRequests } from '../../helpers/requests.ts';

const requests = useRequests();

describe('an approval that is redeemed by its call', () => {
  it('is for exactly its operation and arguments', async () => {
    const approval = await ask(requests.world());
    const matching = (name: string, args: JsonObject) => checkMatches(approval, name, args);
    expect(() => matching('stop_vm', { vmid: 105 })).not.toThrow();
    expect(() => matching('start_vm', { vmid: 105 })).toThrow(
      refused('approval_mismatch', `Approval ${approval.id} is for stop_vm, not for start_vm.`),
    );
    expect(() => matching('stop_vm', { vmid: 105, force: true })).toThrow(
      expect.objectContaining({
        code: 'approval_mismatch',
        message: `Approval ${approval.id} is for stop_vm with other arguments.`,
        details: { approved: { vmid: 105 }, given: { vmid: 105, force: true } },
      }),
    );
  });
});
