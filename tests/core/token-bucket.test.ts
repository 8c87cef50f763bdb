import { beforeEach, describe, expect, it, vi } from 'vitest';
import { createTokenBuckets, type TokenBuckets } from '../../src/core/token-bucket.ts';

let now: number;
let take: TokenBuckets;
const clock = { now: () => now, elapsed: () => now, sleep: async () => {} };

beforeEach(() => {
  now = 1_000_000;
  take = createTokenBuckets({ size: 3, perSecond: 0.5 }, clock);
});

const empty = (key: string) => [take(key), take(key), take(key)];

describe('a bucket', () => {
  it('gives as many at once as it holds, then returns the seconds until the next one', () => {
    expect(empty('a')).toEqual([0, 0, 0]);
    expect(take('a')).toBe(2);
    now += 500;
    expect(take('a')).toBe(1.5);
  });
  it('fills up at its rate, and no higher than its size', () => {
    empty('a');
    now += 2_000;
    expect([take('a'), take('a')]).toEqual([0, 2]);
    now += 3_600_000;
    expect([...empty('a'), take('a')]).toEqual([0, 0, 0, 2]);
  });
  it('belongs to one key', () => {
    empty('a');
    expect(take('b')).toBe(0);
  });
  it('takes nothing for a request that it refuses', () => {
    empty('a');
    now += 1_000;
    expect(take('a')).toBe(1);
    now += 1_000;
    expect(take('a')).toBe(0);
  });
  it('gains nothing when the clock is set back', () => {
    empty('a');
    now -= 60_000;
    expect(take('a')).toBe(2);
  });
  it('is forgotten as soon as it had time to fill up, and no sooner', () => {
    const forget = vi.spyOn(Map.prototype, 'delete');
    const forgotten = () => forget.mock.calls.map(([key]) => key);
    take('a');
    now += 6_000;
    take('b');
    expect(forgotten()).toEqual([]);
    now += 1;
    take('b');
    expect(forgotten()).toEqual(['a']);
    forget.mockClear();
    now += 6_000;
    take('c');
    expect(forgotten(), 'the last sweep was 6 s ago').toEqual([]);
    now += 1;
    take('c');
    expect(forgotten()).toEqual(['b']);
    forget.mockRestore();
  });
  it('stays empty while buckets of others come and go', () => {
    now += 5_500;
    empty('a');
    now += 1_000;
    take('b');
    expect(take('a'), 'the sweep forgets full buckets only').toBe(1);
  });
});
