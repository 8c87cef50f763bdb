import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Method } from '../../../src/core/plan/plan.ts';
import { refusalOf } from '../../../src/proxmox/answers/errors.ts';
import { meaningOf, takenVmid } from '../../../src/proxmox/answers/refusals.ts';

interface Recorded {
  code: string;
  method: Method;
  path: string;
  params: Record<string, string>;
  status: number;
  reason: string;
  body: string;
}
const file = new URL('../fixtures/refusals.json', import.meta.url);
const { refusals, exits } = JSON.parse(readFileSync(file, 'utf8')) as {
  refusals: Recorded[];
  exits: { code: string | null; exit: string }[];
};
const tokenId = 'mcp@pve!agent';
const refuse = (status: number, message: string, params = {}, errors?: object) =>
  refusalOf({ status, reason: 'x', body: JSON.stringify({ data: null, message, errors }) }, { method: 'POST', path: '/x', params, tokenId })
    .error;

describe('recorded refusals', () => {
  it.each(refusals)('$status $reason -> $code', (one) => {
    const { error } = refusalOf(one, { ...one, tokenId });
    const message = !one.body.startsWith('{') ? one.reason : (JSON.parse(one.body) as { message: string }).message.trim();
    expect(error.code).toBe(one.code);
    expect(error.details?.proxmox).toMatchObject({ status: one.status, message });
    expect(error.message).toMatch(/^[^\n]+[.!?]$/);
    expect(error.hint.length).toBeGreaterThan(10);
  });

  it.each([
    [302, 'Found', '', /redirect \(302\), as of a login page/, 'port 8006'],
    [429, 'Too Many Requests', 'slow down', /limits the requests \(429\)/, 'Wait a minute'],
    [403, 'Forbidden', '<!DOCTYPE html><html>Attention Required!</html>', /page of its own \(403\)/, 'PROXMOX_HOST'],
  ] as const)('tells a proxy that answers %i from Proxmox', (status, reason, body, message, hint) => {
    const { error } = refusalOf({ status, reason, body }, { method: 'GET', path: '/cluster/resources', params: {}, tokenId });
    expect(error).toMatchObject({ code: 'proxmox_refused', message: expect.stringMatching(message) });
    expect(error.hint).toContain(hint);
  });

  it('tells a server that is not Proxmox VE from one that refuses', () => {
    const asked = { method: 'GET', path: '/version', params: {}, tokenId } as const;
    const { error } = refusalOf({ status: 404, reason: 'Not Found', body: '<html></html>' }, asked);
    expect(error).toMatchObject({ code: 'unreachable', message: expect.stringContaining('not the API of Proxmox VE') });
    expect(error.hint).toContain('PROXMOX_HOST');
  });

  it('have the same meaning without a body: older servers write it into the status line only', () => {
    for (const one of refusals.filter((one) => one.status === 500)) {
      expect(refusalOf({ ...one, body: '' }, { ...one, tokenId }).error.code, one.reason).toBe(one.code);
    }
  });
});

it.each(exits)('a task that ends with "$exit" means $code', ({ code, exit }) => {
  expect(meaningOf(exit)?.code ?? null).toBe(code);
});

describe('sentences read in the sources', () => {
  it.each([
    ["can't lock file '/var/lock/qemu-server/lock-105.conf' - got timeout", 'locked', true],
    ["can't lock file '/run/lock/lxc/pve-config-105.lock' - got timeout", 'locked', true],
    ["can't lock file '/var/lock/pve-manager/pve-storage-local' - got timeout", 'locked', undefined],
    ["cfs-lock 'storage-x' error: got lock request timeout", 'locked', undefined],
    ['CT is locked (snapshot-delete)', 'locked', undefined],
    ['detected modified configuration - file changed by other user? Try again.', 'conflict', undefined],
    ['checksum missmatch (file change by other user?)', 'conflict', undefined],
    [
      "unable to create VM 105 - close (rename) atomic file '/etc/pve/nodes/pve/qemu-server/105.conf' failed: File exists",
      'conflict',
      undefined,
    ],
    ['unable to remove VM 105 - used in HA resources and purge parameter not set.', 'not_possible', undefined],
    ['changing feature flags (except nesting) is only allowed for root@pam', 'not_possible', undefined],
    ['CT 105 not running', 'guest_state', undefined],
    ['unable to destroy CT 105 - container is running', 'guest_running', undefined],
  ] as const)('%s', (text, code, retry) => {
    expect([meaningOf(text)?.code, meaningOf(text)?.retry]).toEqual([code, retry]);
  });

  it.each([
    ['unable to get any free VMID in range [100, 110]', 'conflict', 'next-id'],
    ['update pools failed: VM 105 is already a pool member', 'conflict', 'Another client changed the pool'],
    ['update pools failed: VM 105 is not a pool member', 'conflict', 'Another client changed the pool'],
    ['CT is locked (mounted)', 'locked', 'pct unmount'],
    ['VM is paused - cannot shutdown', 'guest_state', 'Resume it'],
    ['unexpected state change', 'guest_state', 'at the same time'],
    ["you can't start a CT if it's a template", 'guest_state', 'Clone the template'],
    ['Agent error: The command guest-exec has been disabled for this instance', 'not_possible', "guest's own policy"],
    ['Agent error: Command guest-exec has been disabled: the command is not allowed', 'not_possible', "guest's own policy"],
    ["can't clone to non-shared storage 'local-lvm'", 'not_possible', 'Clone on the same node'],
    ["can't clone VM to node 'pve2' (VM uses local storage)", 'not_possible', 'Clone on the same node'],
    ["can't rollback, 's1' is not most recent snapshot on 'tank:vm-105-disk-0'", 'not_possible', 'newer snapshots'],
    ["can't clone CT to node 'pve2' (CT uses local storage)", 'not_possible', 'Clone on the same node'],
    ["Linked clone feature for 'local:105/vm-105-disk-0.raw' is not available", 'not_possible', 'full clone'],
    ['unable to remove CT 105 - used in HA resources and purge parameter not set.', 'not_possible', 'purge'],
    ["There is a replication job '105-0' for guest '105' - Please remove that first.", 'not_possible', 'purge'],
    ['cluster not ready - no quorum?', 'proxmox_refused', 'no quorum, so only reads work'],
    ['pve cluster filesystem not online.', 'proxmox_refused', 'pve-cluster'],
    ["hotplug problem - can't unplug bootdisk 'scsi0'", 'proxmox_refused', 'Part of the change may be applied'],
  ] as const)('%s: with a hint of its own', (text, code, hint) => {
    expect(meaningOf(text)).toMatchObject({ code, hint: expect.stringContaining(hint) });
  });

  it.each([
    ['Full clone of a running container is only possible from a snapshot', 'guest_running'],
    ["you can't convert a CT to template if the CT is running", 'guest_running'],
    ["can't overwrite running container", 'guest_running'],
    ["can't migrate running VM without --online", 'not_possible'],
    ["can't migrate running container without --online or --restart", 'not_possible'],
    ["can't migrate VM which uses local devices: hostpci0", 'not_possible'],
    ["can't migrate running VM which uses local devices: hostpci0", 'not_possible'],
    ['no space left on device', 'storage_unavailable'],
    ["not enough free space on '/mnt/pve/nas'", 'storage_unavailable'],
    ['Failed to obtain guest migration lock - replication job still running?', 'locked'],
  ] as const)('%s', (text, code) => {
    expect(meaningOf(text)?.code).toBe(code);
  });

  it.each([
    ["VM 105 qga command 'get-osinfo' failed - got timeout", 'guest_state'],
    ['got no worker upid - start worker failed', 'proxmox_refused'],
    ["got strange worker upid ('UPID:pve:1' != 'UPID:pve:2') - start worker failed", 'proxmox_refused'],
    ['starting worker failed: unable to open pipe', 'proxmox_refused'],
  ] as const)('%s: it stays unknown whether the request took effect', (text, code) => {
    expect(meaningOf(text)).toMatchObject({ code, unknown: true });
  });

  it.each([
    ['VM 105 already running', 'running'],
    ['CT 105 already running', 'running'],
    ['VM 105 not running', 'stopped'],
    ['CT 105 is not running', 'stopped'],
    ['VM is paused - cannot shutdown', undefined],
  ] as const)('%s: the state that the guest has already is %s', (text, already) => {
    expect(meaningOf(text)?.already).toBe(already);
  });

  it.each([
    ["VM 100 already exists on node 'pve'", 100],
    ['unable to create VM 101 - VM 101 already exists', 101],
    ["unable to restore CT 102 - CT 102 already exists on node 'pve'", 102],
    ['unable to create CT 103: config file already exists', 103],
    ["unable to create VM 104 - close (rename) atomic file '/etc/pve/nodes/pve/qemu-server/104.conf' failed: File exists", 104],
    ['VM is locked (backup)', undefined],
    ["unable to create VM 105 - VM 105 already exists' is odd", undefined],
  ] as const)('%s: the VMID that is taken is %s', (text, vmid) => {
    expect(takenVmid(text)).toBe(vmid);
  });

  it('are matched as sentences, not as words', () => {
    for (const text of [
      "volume 'already exists' is odd",
      'snapshot is locked (never)',
      'the VM 105 not running',
      "disk image 'x' already exists",
    ]) {
      expect(meaningOf(text), text).toBeUndefined();
    }
  });
});

describe('a missing privilege', () => {
  const asked = (path: string, params: object) =>
    refusalOf(
      { status: 403, reason: 'x', body: JSON.stringify({ data: null, message: 'Permission check failed\n' }) },
      { method: 'POST', path, params: params as Record<string, string>, tokenId },
    ).error;

  it('is named with its path, and added to a role instead of a new ACL that would replace what is inherited', () => {
    const error = refuse(403, 'Permission check failed (/storage/local, Datastore.Audit|Datastore.AllocateSpace)\n');
    expect(error.details?.missing).toEqual([{ path: '/storage/local', privileges: ['Datastore.Audit', 'Datastore.AllocateSpace'] }]);
    expect(error.details?.grant).toEqual(['pveum acl list', "pveum role modify ROLE --append --privs 'Datastore.Audit'"]);
    expect(error.hint).not.toContain('acl modify');
  });

  it('may have more words behind the privilege, which stay', () => {
    const error = refuse(403, "Permission check failed (/, Sys.Modify for modifying tag 'vip')\n");
    expect(error).toMatchObject({
      code: 'permission_denied',
      message: "The API token lacks Sys.Modify on / for modifying tag 'vip'.",
      details: { missing: [{ path: '/', privileges: ['Sys.Modify'] }] },
    });
  });

  it('with every configuration right as an alternative is the one that the sent options need', () => {
    const words = 'Permission check failed (/vms/105, VM.Config.Disk|VM.Config.CDROM|VM.Config.CPU|VM.Config.Memory|VM.Config.Options)';
    const error = refuse(403, words, { cores: 2, memory: 512, digest: 'x' });
    expect(error.message).toBe('The API token lacks VM.Config.CPU on /vms/105; VM.Config.Memory on /vms/105.');
    expect(error.details?.grant).toContain("pveum role modify ROLE --append --privs 'VM.Config.CPU VM.Config.Memory'");
    expect(refuse(403, words, { odd: 1 }).message).toContain('VM.Config.Disk or VM.Config.CDROM');
  });

  it('may have no path', () => {
    const error = refuse(403, 'Permission check failed (, Pool.Allocate)\n');
    expect(error).toMatchObject({ message: 'The API token lacks Pool.Allocate. Proxmox names no path.', details: { missing: [] } });
    expect(error.hint).not.toContain('pveum');
  });

  it.each([
    ['/nodes/pve/qemu', { pool: 'agents', vmid: 105 }, { path: '/pool/agents', privileges: ['VM.Allocate'] }],
    ['/nodes/pve/qemu/9000/clone', { newid: 106 }, { path: '/vms/106', privileges: ['VM.Allocate'], isNew: true }],
    ['/nodes/pve/qemu', { vmid: 105 }, { path: '/vms/105', privileges: ['VM.Allocate'], isNew: true }],
  ])('that Proxmox does not name is found from what was requested: %s %j', (path, params, missing) => {
    expect(asked(path, params).details?.missing).toEqual([missing]);
  });

  it('stays unnamed when Proxmox does not name it', () => {
    expect(refuse(403, 'Permission check failed')).toMatchObject({ code: 'permission_denied', message: 'Permission check failed.' });
  });

  it('is not the meaning of a refusal of every token', () => {
    expect(refuse(403, 'Permission check failed (user != root@pam)\n').code).toBe('not_possible');
  });

  it('mentions that the guest may not exist only where the token cannot see it', () => {
    const words = 'A guest that does not exist looks the same';
    expect(refuse(403, 'Permission check failed (/vms/105, VM.Audit)').message).toContain(words);
    expect(refuse(403, 'Permission check failed (/vms/105, VM.PowerMgmt)').message).not.toContain(words);
  });
});

it('names every parameter that this version does not know', () => {
  const text = 'property is not defined in schema and the schema does not allow additional properties';
  const error = refuse(
    400,
    'Parameter verification failed.',
    {},
    { cores: "type check ('integer') failed - got 'x'", foo: text, bar: `${text}\n` },
  );
  expect(error.code).toBe('unsupported_version');
  expect(error.message).toBe('This Proxmox version does not know the parameter foo, bar.');
});

it('keeps unknown words as they are', () => {
  expect(refuse(500, 'the bees are loose\n')).toMatchObject({
    code: 'proxmox_refused',
    message: 'the bees are loose.',
    details: { proxmox: { message: 'the bees are loose' } },
  });
  expect(refuse(400, 'x', {}, { size: 'too\n  odd' })).toMatchObject({ code: 'proxmox_refused', message: 'size: too odd.' });
});

it('shows words that are a list or an object as JSON, and of long ones the beginning', () => {
  const error = refuse(400, 'Parameter verification failed.', {}, { net0: { model: 'unknown' }, tags: ['a', 'b'] });
  expect(error.message).toBe('net0: {"model":"unknown"}; tags: ["a","b"].');
  const long = refuse(500, `start failed: ${'x'.repeat(5000)}`);
  expect(long.message.length).toBeLessThan(700);
  expect(long.message).toContain('more characters');
  expect(long.details?.proxmox).toMatchObject({ message: expect.stringMatching(/x{5000}$/) });
});

it('does not repeat the values of secret parameters', () => {
  const error = refuse(400, 'bad s3cret-value', { cipassword: 's3cret-value' }, { cipassword: "got 's3cret-value'" });
  expect(JSON.stringify(error)).not.toContain('s3cret');
});
