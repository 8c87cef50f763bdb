import { expect, it } from 'vitest';
import type { StepRecord } from '../../../../src/core/plan/run.ts';
import { Journal } from '../../../../src/engine/runs/steps/journal.ts';
import type { Store } from '../../../../src/store/index.ts';
import { iso, parts, runOf } from '../../../helpers/parts.ts';

const record = (id: string, at: number): StepRecord => ({ id, state: 'intent', at: iso(at) });

it('the row of a run never loses an intent when steps of several guests are written at once', async () => {
  let row: string[] = [];
  const waits: (() => void)[] = [];
  const store = {
    runs: {
      async journal(_id: string, _worker: string, steps: StepRecord[]) {
        const written = steps.map(({ id }) => id);
        // The first write takes longest.
        if (waits.length === 0) await new Promise<void>((go) => waits.push(go));
        row = written;
        return true;
      },
    },
  };
  const journal = new Journal(runOf(), store as unknown as Store, parts(store));
  const both = Promise.all([journal.write(record('one', 0)), journal.write(record('two', 1))]);
  await new Promise((resolve) => setImmediate(resolve));
  waits[0]?.();
  await both;
  expect(row).toEqual(['one', 'two']);
});

/** A journal with one intent, and its store, which can go away. */
async function journalOfOne() {
  const store = {
    isAway: false,
    runs: {
      async journal() {
        if (store.isAway) throw new Error('away');
        return true;
      },
    },
  };
  const journal = new Journal(runOf(), store as unknown as Store, parts(store));
  await journal.write(record('one', 0));
  return { journal, store };
}

it('an intent that could not be written is gone, and those of the other guests stay', async () => {
  const { journal, store } = await journalOfOne();
  store.isAway = true;
  await expect(journal.write(record('two', 1))).rejects.toThrow('the journal cannot be written');
  expect(journal.steps.map(({ id }) => id)).toEqual(['one']);
  store.isAway = false;
  await journal.write(record('three', 2));
  expect(journal.steps.map(({ id }) => id)).toEqual(['one', 'three']);
});

it('a step whose later intent could not be written is as it was before', async () => {
  const { journal, store } = await journalOfOne();
  store.isAway = true;
  await expect(journal.write(record('one', 9))).rejects.toThrow('the journal cannot be written');
  expect(journal.steps).toEqual([record('one', 0)]);
});

it('a step that is done stays so when the end of its guest is marked', () => {
  const steps: StepRecord[] = [{ ...record('one', 0), state: 'done' }, record('two', 1), record('three', 2)];
  const journal = new Journal(runOf({ steps }), {} as Store, parts());
  for (const id of ['one', 'two']) journal.mark(id, 'unknown');
  expect(journal.steps.map(({ state }) => state)).toEqual(['done', 'unknown', 'intent']);
});

it('a run began when the first of its steps did, whichever was written first', () => {
  const store = {} as Store;
  const journal = new Journal(runOf({ steps: [record('late', 90), record('early', 30)] }), store, parts(store));
  expect(journal.since).toBe(Date.parse(iso(30)) / 1000 - 5);
});
