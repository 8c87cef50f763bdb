import { expect, it } from 'vitest';
import { remedyFor } from '../../../src/proxmox/access/grants.ts';

const TOKEN = 'mcp@pve!agent';
const missing = { path: '/vms/105', privileges: ['VM.Allocate'], isNew: true as const };

it.each([
  ['where the rights could not be read', undefined],
  ['where the token has none', { granted: {}, acl: [] }],
  ['where the guest inherits some', { granted: { '/vms': { 'VM.Audit': 1 }, '/vms/105': { 'VM.Audit': 1 } }, acl: [] }],
])('a right for a guest that is being made is never granted on its VMID: %s', (_, known) => {
  const { text, lines } = remedyFor([missing], TOKEN, known);
  expect(text).toContain('/vms');
  expect(`${text} ${lines.join(' ')}`).not.toContain('/vms/105');
  const inPool = remedyFor([{ ...missing, pool: 'agents' }], TOKEN, known);
  expect(inPool.text).toContain('/pool/agents');
  expect(`${inPool.text} ${inPool.lines.join(' ')}`).not.toContain('/vms');
});
