import { expect, test } from 'vitest';
import { renderApproval } from '../../src/render/approval-text.ts';
import { approval, plan } from '../helpers/answering-engine.ts';

test('a human reads which volumes go, and which of the configuration stay', () => {
  const facts = {
    disks: ['local-lvm:vm-105-disk-0 (8 GiB)'],
    untouched: ['/dev/disk/by-id/ata-1 (3726.02 GiB)', 'local:iso/a\u202eb.iso'],
  };
  const text = renderApproval({ ...approval, plan: { ...plan, facts } });
  expect(text).toContain('\nDisks: local-lvm:vm-105-disk-0 (8 GiB)\n');
  expect(text).toContain('\nStays untouched: /dev/disk/by-id/ata-1 (3726.02 GiB), local:iso/ab.iso\n');
});

test('no line names volumes that stay where all of them go', () => {
  expect(renderApproval({ ...approval, plan: { ...plan, facts: { disks: ['a:b'], untouched: [] } } })).not.toContain('untouched');
});
