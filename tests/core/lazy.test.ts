import { expect, it } from 'vitest';
import { lazy } from '../../src/core/lazy.ts';

it('is opened once, by the first caller that needs it and not by one that only looks', async () => {
  let opened = 0;
  const store = lazy(async () => ++opened);
  expect(await store.opened()).toBeUndefined();
  expect(opened).toBe(0);
  expect(await Promise.all([store.get(), store.get()])).toEqual([1, 1]);
  expect(await store.opened()).toBe(1);
});

it('is opened again after an attempt that failed, which leaves nothing open', async () => {
  let attempts = 0;
  const store = lazy(async () => {
    attempts += 1;
    if (attempts === 1) throw new Error('away');
    return 'open';
  });
  const first = store.get();
  expect(await store.opened()).toBeUndefined();
  await expect(first).rejects.toThrow('away');
  expect(await store.get()).toBe('open');
});
