import { describe, expect, it } from 'vitest';
import type { Plan } from '../../../src/core/plan/plan.ts';
import { checkStanding, createStanding, revokeStanding, useStanding } from '../../../src/engine/approvals/standing.ts';
import type { StandingRequest } from '../../../src/engine/types.ts';
import type { ChangeOperation } from '../../../src/operations/define.ts';
import type { StandingApproval } from '../../../src/store/schema.ts';
import { asker, guest, iso, parts, planOf } from '../../helpers/parts.ts';

const request = (over: Partial<StandingRequest> = {}): StandingRequest => ({
  operations: ['stop_vm'],
  tag: 'web',
  minutes: 5,
  uses: 1,
  ...over,
});
const { tag: _, ...place } = request();
const operator = asker({ principal: 'anna', owner: 'anna', channel: 'cli', isOperator: true });
const refused = (code: string, message?: string) => expect.objectContaining({ code, ...(message ? { message } : {}) });

describe('a request for a standing approval', () => {
  it.each<[string, StandingRequest]>([
    ['a tag', request()],
    ['a pool', { ...place, pool: 'prod' }],
    ['as long and as often as is allowed', request({ minutes: 60, uses: 100 })],
    ['less than a minute', request({ minutes: 0.5 })],
  ])('may be for %s', (_case, fine) => expect(() => checkStanding(fine)).not.toThrow());

  it.each<[string, StandingRequest, string]>([
    ['tag and pool', request({ pool: 'prod' }), 'A standing approval must name either a tag or a pool.'],
    ['neither', place, 'A standing approval must name either a tag or a pool.'],
    ['no time', request({ minutes: 0 }), 'A standing approval lasts at most 60 minutes.'],
    ['too long', request({ minutes: 61 }), 'A standing approval lasts at most 60 minutes.'],
    ['no number of minutes', request({ minutes: Number.NaN }), 'A standing approval lasts at most 60 minutes.'],
    ['no uses', request({ uses: 0 }), 'A standing approval has 1 to 100 uses, one for each guest.'],
    ['half a use', request({ uses: 1.5 }), 'A standing approval has 1 to 100 uses, one for each guest.'],
    ['too many uses', request({ uses: 101 }), 'A standing approval has 1 to 100 uses, one for each guest.'],
    ['no operation', request({ operations: [] }), 'A standing approval must name its operations.'],
    ['operations that do not exist', request({ operations: ['a', 'stop_vm', 'b'] }), 'Unknown operation: a, b.'],
  ])('is refused for %s', (_case, bad, message) => expect(() => checkStanding(bad)).toThrow(refused('invalid_arguments', message)));
});

describe('creating and revoking a standing approval', () => {
  const stored = () => {
    const added: StandingApproval[] = [];
    const revoked: unknown[][] = [];
    const standing = {
      add: async (lease: StandingApproval) => void added.push(lease),
      revoke: async (...given: unknown[]) => revoked.push(given) === 1,
    };
    return { ...parts({ standing }), added, revoked };
  };

  it('is for the operator in a terminal alone', async () => {
    const ports = stored();
    await expect(createStanding(request(), asker(), ports)).rejects.toEqual(refused('approval_needs_human'));
    await expect(revokeStanding('lse_1', asker(), ports)).rejects.toEqual(refused('approval_needs_human'));
    await expect(createStanding(request({ uses: 0 }), operator, ports)).rejects.toEqual(refused('invalid_arguments'));
    expect([...ports.added, ...ports.revoked, ...ports.told]).toEqual([]);
  });

  it('stores what was requested, with its end, and says so in the audit', async () => {
    const ports = stored();
    const made = await createStanding(request({ tag: 'WEB', uses: 3 }), operator, ports);
    expect(made).toStrictEqual({
      id: expect.stringMatching(/^lse_/),
      cluster: 'c',
      operations: ['stop_vm'],
      tag: 'web',
      usesLeft: 3,
      madeBy: 'anna',
      createdAt: iso(0),
      expiresAt: iso(300),
    });
    expect(await createStanding({ ...place, pool: 'Prod', raised: true }, operator, ports)).toMatchObject({ pool: 'Prod', raised: true });
    expect(ports.added.map(({ id }) => id)).toEqual([made.id, expect.any(String)]);
    expect(ports.told[0]).toMatchObject({ kind: 'decision', operation: 'lease', leaseId: made.id, status: 'approved', principal: 'anna' });
  });

  it('revokes once, and says so in the audit', async () => {
    const ports = stored();
    await revokeStanding('lse_1', operator, ports);
    expect(ports.revoked).toEqual([['lse_1', 'c', iso(0)]]);
    expect(ports.told).toMatchObject([{ operation: 'lease', leaseId: 'lse_1', status: 'denied' }]);
    await expect(revokeStanding('lse_1', operator, ports)).rejects.toEqual(refused('approval_unknown'));
    expect(ports.told).toHaveLength(1);
  });
});

describe('a standing approval covers', () => {
  const stop = { effect: 'disrupt' } as ChangeOperation;
  const standing = (id: string, over: Partial<StandingApproval> = {}): StandingApproval => ({
    id,
    cluster: 'c',
    operations: ['stop_vm'],
    tag: 'web',
    usesLeft: 5,
    madeBy: 'anna',
    createdAt: iso(0),
    expiresAt: iso(300),
    ...over,
  });
  const inPool = (id: string, pool: string) => {
    const { tag: _tag, ...rest } = standing(id);
    return { ...rest, pool };
  };
  /** @param spent leases whose uses another call took at the same moment */
  async function taken(plan: Plan, leases: StandingApproval[], spent: string[] = []) {
    const used: unknown[][] = [];
    const ports = parts({
      standing: {
        open: async (cluster: string, now: string) => (cluster === 'c' && now === iso(0) ? leases : []),
        use: async (...given: unknown[]) => {
          used.push(given);
          return !spent.includes(String(given[0]));
        },
      },
    });
    ports.answers['/cluster/resources'] = [
      { vmid: 105, type: 'qemu', node: 'pve', tags: 'prod;Web', pool: 'shop/db' },
      { vmid: 106, type: 'qemu', node: 'pve', tags: 'db', pool: 'shop2' },
      { vmid: 107, type: 'qemu', node: 'pve' },
    ];
    return { id: (await useStanding(plan, stop, ports))?.id, used, asked: ports.asked };
  }
  const about = (...vmids: number[]) => planOf({ targets: vmids.map((vmid) => guest(vmid)) });

  it('its guests, a use for each, and the next lease where the uses of the first are gone', async () => {
    expect(await taken(about(105), [standing('a'), standing('b')])).toMatchObject({ id: 'a', used: [['a', 1, iso(0)]] });
    expect(await taken(about(105), [standing('a'), standing('b')], ['a'])).toMatchObject({
      id: 'b',
      used: [
        ['a', 1, iso(0)],
        ['b', 1, iso(0)],
      ],
    });
    expect((await taken(about(105), [standing('a')], ['a'])).id).toBeUndefined();
    expect(await taken(about(105, 105), [standing('a')])).toMatchObject({ used: [['a', 2, iso(0)]] });
  });

  it('every guest of a list or none', async () => {
    for (const list of [about(105, 106), about(106, 105)]) expect(await taken(list, [standing('a')])).toMatchObject({ used: [] });
  });

  it.each<[string, number, StandingApproval, boolean]>([
    ['a nested pool', 105, inPool('a', 'shop'), true],
    ['no pool whose name only begins alike', 106, inPool('a', 'shop'), false],
    ['no guest whose pool is not known', 107, inPool('a', 'shop'), false],
    ['no guest without the tag', 106, standing('a'), false],
    ['no guest that is not listed', 999, standing('a'), false],
  ])('%s', async (_case, vmid, one, covered) => expect((await taken(about(vmid), [one])).id).toBe(covered ? 'a' : undefined));

  it('nothing without a tag and a pool', async () => {
    const { tag: _tag, ...bare } = standing('a');
    expect((await taken(about(105), [bare])).id).toBeUndefined();
  });

  it('the operations that it names, and asks Proxmox nothing for others', async () => {
    expect(await taken(about(105), [standing('a', { operations: ['start_vm'] })])).toMatchObject({ id: undefined, asked: [] });
  });

  it('a graver plan only when it says so, and a usual one then, too', async () => {
    const graver = { ...about(105), effect: 'destroy' as const };
    expect((await taken(graver, [standing('a')])).id).toBeUndefined();
    expect((await taken(graver, [standing('a'), standing('b', { raised: true })])).id).toBe('b');
    expect((await taken(about(105), [standing('b', { raised: true })])).id).toBe('b');
  });

  it('no plan that makes a guest, also beside a half-made one that it covers', async () => {
    const sizes = { cpu: 1, memoryMib: 1, diskGib: 1 };
    const made = (newGuests: 0 | 1, vmid: number) => ({ demand: { newGuests, vmid, before: sizes, after: sizes } });
    const plan = { ...about(105), makes: [made(0, 105), made(1, 300)] };
    expect(await taken(plan, [standing('a')])).toMatchObject({ id: undefined, used: [] });
    expect((await taken({ ...plan, makes: [made(0, 105)] }, [standing('a')])).id).toBe('a');
  });

  it('no plan without guests, with a protected one, or that copies a guarded one', async () => {
    const { target: _target, ...none } = planOf();
    const source = (protection: boolean) => ({ vmid: 9, template: false, identity: guest(9, { protection }) });
    for (const plan of [
      none,
      planOf({ targets: [guest(105), guest(105, { protection: true })] }),
      { ...about(105), sources: [source(false), source(true)] },
    ]) {
      expect((await taken(plan, [standing('a', { raised: true })])).id).toBeUndefined();
    }
    expect((await taken({ ...about(105), sources: [source(false)] }, [standing('a')])).id).toBe('a');
  });
});
