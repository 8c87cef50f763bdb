import { expect, it } from 'vitest';
import { exactly, recordOf, rowOf } from '../../src/store/row.ts';

interface Kept {
  id: string;
  startedAt: string;
  size: number;
  isOpen: boolean;
  names: string[];
  note?: string | undefined;
}

const kinds = { json: ['names'], flags: ['isOpen'] } as const;
const record: Kept = { id: 'a', startedAt: '2026-01-01', size: 0, isOpen: false, names: ['x'] };
const row = { id: 'a', started_at: '2026-01-01', size: 0, is_open: 0, names: '["x"]' };

it('names columns in snake case, and writes lists as JSON and truth as a number', () => {
  expect(rowOf({ ...record, note: undefined })).toEqual(row);
  expect(rowOf({ ...record, isOpen: true, note: '' })).toEqual({ ...row, is_open: 1, note: '' });
});

it('reads the same record back, without the field of an empty column', () => {
  expect(recordOf<Kept>({ ...row, note: null }, kinds)).toStrictEqual(record);
  expect(recordOf<Kept>({ ...row, is_open: 1, note: '["not JSON for the reader"]' }, kinds)).toStrictEqual({
    ...record,
    isOpen: true,
    note: '["not JSON for the reader"]',
  });
});

it('a row is not named by a value that is missing, which would name more rows', () => {
  expect(exactly({ id: 'run_1', worker: '' })).toEqual({ id: 'run_1', worker: '' });
  expect(() => exactly({ id: 'run_1', worker: undefined })).toThrow('a row is named without its worker');
});
