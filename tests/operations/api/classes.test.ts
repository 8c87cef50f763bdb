import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { classOf, neverSent } from '../../../src/operations/api/lib/classes.ts';
import { EFFECTS_BY_METHOD } from '../../../src/operations/api/lib/effects.ts';
import { NEVER } from '../../../src/operations/api/lib/never.ts';
import type { ChangeOperation } from '../../../src/operations/define.ts';
import { operations } from '../../../src/operations/index.ts';
import { unstated } from '../../../src/operations/stated.ts';
import { contract } from '../../../src/proxmox/contract/contract.ts';
import { changeOperation, operationNamed } from '../../helpers/operations.ts';

const { methods } = await contract();
const tools = operations.filter(({ toolset }) => toolset !== 'api');
const nameOf = (one: { method: string; path: string }) => `${one.method} ${one.path}`;
const names = new Set(methods.map(nameOf));

it('each of the 661 methods is reached by a tool, by api_read or api_change, or is never sent for a reason', () => {
  expect(methods).toHaveLength(661);
  for (const method of methods) {
    const found = classOf(method, tools);
    if (found.by === 'tool') expect(() => operationNamed(found.tool), nameOf(method)).not.toThrow();
    if (found.by === 'never') expect(found.reason, nameOf(method)).toMatch(/\S{3}/);
    if (found.by === 'api') expect(found.effect === 'read', nameOf(method)).toBe(method.method === 'GET');
  }
});

it('the tool that covers a method sends or reads it', () => {
  for (const method of methods) {
    const found = classOf(method, tools);
    if (found.by !== 'tool') continue;
    const tool = operationNamed(found.tool);
    const stated = [...Object.keys({ ...(tool as ChangeOperation).sends, ...(tool as ChangeOperation).maySend }), ...(tool.reads ?? [])];
    expect(
      [...stated, ...(tool.mayRead ?? [])].map((name) => name.split('?')[0]),
      found.tool,
    ).toContain(nameOf(method));
  }
});

it('the documentation has each method once, with its class', () => {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/api-methods.md'), 'utf8');
  const missing = methods.filter((method) => text.split(`\`${nameOf(method)}\``).length !== 2);
  expect(missing.map(nameOf)).toEqual([]);
});

it('the effect of each method that api_change sends was reviewed', () => {
  const unseen = methods.filter((one) => one.method !== 'GET' && classOf(one, tools).by === 'api' && !EFFECTS_BY_METHOD.has(nameOf(one)));
  expect(unseen.map(nameOf)).toEqual([]);
});

it('the tables name methods that exist, each in one of them', () => {
  const all = [...EFFECTS_BY_METHOD.keys(), ...NEVER.keys()];
  expect(all.filter((name) => !names.has(name))).toEqual([]);
  expect(all.filter((name, index) => all.indexOf(name) !== index)).toEqual([]);
});

it('a method that no table has destroys', () => {
  const permission = { check: ['perm', '/', ['Sys.Audit']] };
  const later = { method: 'POST', path: '/cluster/later', parameters: {}, permission, open: false, noToken: false, protected: false };
  expect(classOf(later, tools)).toEqual({ by: 'api', effect: 'destroy' });
});

/** Names of parameters that hold secrets. */
const SECRET = /pass(word|phrase)|secret|^(token|key|keys)$|keyring|hmac|(client|encryption)-key|certkey|ticket/;

it('a method that takes a secret is never sent', () => {
  const secret = methods.filter(({ parameters }) => Object.keys(parameters).some((name) => SECRET.test(name)));
  const sent = secret.filter((one) => classOf(one, tools).by === 'api').map(nameOf);
  // Of a configuration api_change sets neither a password nor what a tool knows.
  expect(sent).toEqual(['POST /nodes/{node}/qemu/{vmid}/config', 'PUT /nodes/{node}/qemu/{vmid}/config']);
});

it.each([
  'POST /nodes/{node}/execute',
  'POST /nodes/{node}/qemu/{vmid}/monitor',
  'POST /nodes/{node}/termproxy',
  'POST /nodes/{node}/qemu/{vmid}/mtunnel',
  'POST /access/ticket',
  'POST /access/tfa/{userid}',
  'PUT /access/password',
  'POST /cluster/config/join',
  'GET /nodes/{node}/scan/pbs',
  'GET /nodes/{node}/scan/cifs',
  'POST /access/users/{userid}/token/{tokenid}',
  'POST /storage',
  'POST /access/domains',
  'GET /access/domains/{realm}',
  'GET /cluster/notifications/endpoints/webhook/{name}',
  'POST /nodes/{node}/qemu/{vmid}/remote_migrate',
  'GET /nodes/{node}/qemu/{vmid}/cloudinit/dump',
  'GET /cluster/acme/plugins',
  'GET /cluster/sdn/dns/{dns}',
  'GET /cluster/sdn/ipams',
  'GET /nodes/{node}/vncwebsocket',
  'PUT /nodes/{node}/qemu/{vmid}/sendkey',
])('%s is not reached through api_read or api_change', (name) => {
  const method = methods.find((one) => nameOf(one) === name);
  expect(method && classOf(method, tools).by).not.toBe('api');
});

it('the engine refuses a plan of api_change that sends a method of a tool or one that is never sent', () => {
  const change = changeOperation('api_change');
  const step = (method: 'POST' | 'PUT', path: string, params = {}) => ({
    kind: 'request' as const,
    id: 'x',
    method,
    path,
    params,
    purpose: 'x',
  });
  const odd = (...steps: ReturnType<typeof step>[]) => unstated(change, { steps });
  expect(odd(step('POST', '/nodes/pve/qemu/105/status/stop'))).toEqual(['POST /nodes/pve/qemu/105/status/stop']);
  expect(odd(step('POST', '/nodes/pve/execute'))).toEqual(['POST /nodes/pve/execute']);
  expect(odd(step('PUT', '/nodes/pve/qemu/105/config', { memory: '1', scsi3: 'local-lvm:9', vga: 'std' }))).toEqual([
    'memory of PUT /nodes/pve/qemu/105/config',
    'scsi3 of PUT /nodes/pve/qemu/105/config',
  ]);
  expect(odd(step('POST', '/pools', { poolid: 'lab' }))).toEqual([]);
  const reachable = methods.filter((one) => one.method !== 'GET' && classOf(one, tools).by === 'api');
  const never = Object.entries(neverSent(tools)).flatMap(([name, params]) => (params.length === 0 ? [name] : []));
  expect(reachable.filter((one) => never.includes(nameOf(one))).map(nameOf)).toEqual([]);
});
