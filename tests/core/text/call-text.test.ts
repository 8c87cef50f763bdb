import { expect, test } from 'vitest';
import { namingCluster } from '../../../src/core/text/call-text.ts';

const advice = 'Call stop_vm {"vmid": 7}, then delete_vm {"vmid": 7, "purge": true}.';

test('every call in a text names the cluster', () => {
  expect(namingCluster(advice, 'home')).toBe(
    'Call stop_vm {"cluster": "home", "vmid": 7}, then delete_vm {"cluster": "home", "vmid": 7, "purge": true}.',
  );
});

test('a call that names its cluster keeps it, so that a plan and its error may both be shown', () => {
  const once = namingCluster(advice, 'home');
  expect(namingCluster(once, 'home')).toBe(once);
  expect(namingCluster('delete_vm {"cluster": "home", "vmid": 7}', 'work')).toBe('delete_vm {"cluster": "home", "vmid": 7}');
});

test('where one cluster is served, no call names it', () => {
  expect(namingCluster(advice, undefined)).toBe(advice);
});
