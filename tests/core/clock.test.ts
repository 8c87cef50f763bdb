import { describe, expect, it } from 'vitest';
import { systemClock, within } from '../../src/core/clock.ts';

describe('sleep', () => {
  it('ends after its time', async () => {
    expect(await systemClock.sleep(1, new AbortController().signal)).toBeUndefined();
    expect(await systemClock.sleep(1)).toBeUndefined();
  });
  it('rejects with the reason of the signal, before and during its time', async () => {
    const stop = new AbortController();
    const during = systemClock.sleep(3_600_000, stop.signal);
    const reason = new Error('the client hung up');
    stop.abort(reason);
    await expect(during).rejects.toBe(reason);
    await expect(systemClock.sleep(3_600_000, stop.signal)).rejects.toBe(reason);
  });
});

describe('within', () => {
  it('gives the result of work that ends in time, its error, or undefined', async () => {
    expect(await within(Promise.resolve('done'), 3_600_000)).toBe('done');
    await expect(within(Promise.reject(new Error('broken')), 3_600_000)).rejects.toThrow('broken');
    expect(await within(new Promise(() => {}), 1)).toBeUndefined();
  });
});
