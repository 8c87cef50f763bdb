import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { operationNames } from '../../../src/operations/find.ts';
import { binary } from '../../helpers/binary.ts';
import { home } from '../run.ts';

// Commands on one data folder, some of them processes of their own: all of them see one embedded cluster.

interface Vm {
  vmid: number;
  name: string;
  status: string;
  type: string;
  template?: boolean;
}
type Answer = Record<string, unknown> & { approval_id?: string; error?: { code: string; message: string }; vms?: Vm[] };

const place = home();
afterAll(place.remove);

async function call(operation: string, args: object = {}, more: string[] = [], env: Record<string, string> = {}, run = place.run) {
  const ran = await run(['call', operation, '--args', JSON.stringify(args), '--demo', ...more], env);
  return { code: ran.code, answer: ran.json as Answer, stderr: ran.stderr };
}
const callBinary = (operation: string, args: object = {}, more: string[] = [], env: Record<string, string> = {}) =>
  call(operation, args, more, env, place.runBinary);

/** Running guests of the demo's seed, one for each test, so that tests do not get in each other's way. */
let guests: Map<string, Vm>;
const guest = (name: string) => guests.get(name) ?? expect.fail(`the demo has ${name}`);

beforeAll(async () => {
  const { answer } = await call('list_vms', { status: 'running' });
  guests = new Map(answer.vms?.map((vm) => [vm.name, vm]));
});

describe('call', () => {
  test('list_vms answers JSON that says where it comes from', async () => {
    const { code, answer } = await call('list_vms');
    expect(code).toBe(0);
    expect(answer.simulator).toBe(true);
    expect(answer.vms?.length).toBeGreaterThan(5);
  });

  test('an unknown operation and wrong arguments are usage errors', async () => {
    expect(await call('nonsense')).toMatchObject({ code: 2, answer: { error: { code: 'unknown_operation' } } });
    expect(await call('get_vm', { vmid: 'x' })).toMatchObject({ code: 2, answer: { error: { code: 'invalid_arguments' } } });
    expect(await call('get_vm', { vmid: 100, colour: 1 })).toMatchObject({ code: 2, answer: { error: { code: 'invalid_arguments' } } });
    expect(await call('get_vm', { vmid: 987_654 })).toMatchObject({ code: 1, answer: { error: { code: 'guest_not_found' } } });
  });

  test.each(operationNames)('%s is found in the bundle by its name', async (name) => {
    const { answer } = await call(name, { no_such: 1 }, [], { PROXMOX_TOOLSETS: 'all' });
    expect(answer.error?.message).toMatch(new RegExp(`^${name}: unknown parameter "no_such"`));
  });

  test('a dry-run ends with 0, also of what destroys and of what reads', async () => {
    for (const [operation, args] of [
      ['list_vms', {}],
      ['stop_vm', { vmid: guest('legacy-erp').vmid }],
      ['create_vm', { name: 'never', storage: 'local-lvm' }],
    ] as const) {
      expect(await call(operation, args, ['--dry-run']), operation).toMatchObject({ code: 0, answer: { dry_run: true } });
    }
    const { answer } = await call('list_vms', { name: 'never' });
    expect(answer.vms).toEqual([]);
  });

  test('arguments may hold dry_run, wait_seconds and reason, as every tool takes them', async () => {
    const dry = await call('create_vm', { name: 'never', storage: 'local-lvm', dry_run: true, wait_seconds: 5 });
    expect(dry).toMatchObject({ code: 0, answer: { dry_run: true } });
    expect(await call('create_vm', { name: 'never', storage: 'local-lvm', dry_run: 'yes' })).toMatchObject({
      code: 2,
      answer: { error: { code: 'invalid_arguments' } },
    });
    const asked = await call('stop_vm', { vmid: guest('monitor').vmid, reason: 'moving it' });
    expect(asked.code).toBe(3);
    expect((await call('deny', { approval_id: asked.answer.approval_id })).answer).toMatchObject({ status: 'denied' });
  });

  test('a destructive call asks, its approval stops the VM once, and then it is used', async () => {
    const { vmid } = guest('web1');
    const asked = await callBinary('stop_vm', { vmid, force: true });
    expect(asked).toMatchObject({ code: 3, answer: { approval_required: true } });
    const id = asked.answer.approval_id ?? '';
    expect(asked.answer).toMatchObject({
      expires_at: expect.any(String),
      summary: expect.stringContaining('web1'),
      how_to_approve: expect.stringContaining(id),
    });
    expect(asked.answer.plan).toBeTypeOf('object');

    expect(await call('stop_vm', { vmid, force: false }, ['--approve', id])).toMatchObject({
      code: 1,
      answer: { error: { code: 'approval_mismatch' } },
    });
    expect(await call('stop_vm', { vmid, force: true }, ['--approve', 'apr_none'])).toMatchObject({
      code: 1,
      answer: { error: { code: 'approval_unknown' } },
    });
    expect((await callBinary('stop_vm', { vmid, force: true }, ['--approve', id])).code).toBe(0);
    expect((await call('get_vm', { vmid })).answer.status).toBe('stopped');
    expect(await call('stop_vm', { vmid, force: true }, ['--approve', id])).toMatchObject({
      code: 1,
      answer: { error: { code: 'approval_used' } },
    });
  });

  test('another process cannot lower the method of a request made in human mode', async () => {
    const asked = await call('stop_vm', { vmid: guest('legacy-erp').vmid }, [], { PROXMOX_APPROVAL: 'human' });
    const id = asked.answer.approval_id ?? '';
    expect(asked.answer.how_to_approve).toContain(`approvals approve ${id}`);
    const tried = await callBinary('stop_vm', { vmid: guest('legacy-erp').vmid }, ['--approve', id], { PROXMOX_APPROVAL: 'relay' });
    expect(tried).toMatchObject({ code: 3, answer: { approval_required: true, approval_id: id } });
    expect((await call('get_vm', { vmid: guest('legacy-erp').vmid })).answer.status).toBe('running');
    expect((await call('deny', { approval_id: id })).code).toBe(0);
  });

  test('Ctrl-C gives the terminal back while the work continues', async () => {
    const { vmid } = guest('web2');
    const { answer } = await call('stop_vm', { vmid });
    const child = spawn(
      process.execPath,
      [binary(), 'call', 'stop_vm', '--args', JSON.stringify({ vmid }), '--approve', answer.approval_id ?? '', '--demo'],
      {
        env: place.env,
      },
    );
    let progress = '';
    child.stderr.on('data', (chunk) => {
      progress += chunk;
      if (progress.includes('UPID') && !child.killed) child.kill('SIGINT');
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect(code).toBe(130);
    expect(progress).toContain('goes on');
    await expect.poll(async () => (await call('get_vm', { vmid })).answer.status, { timeout: 20_000 }).toBe('stopped');
  });
});

test('the terminal shows each step of a create, its task and the end on standard error, and the result alone on standard output', async () => {
  const args = { name: 'shown1', storage: 'local-lvm', disk_gb: 1, tags: ['a'], start_on_create: true };
  const { json, stderr } = await place.run(['call', 'create_vm', '--args', JSON.stringify(args), '--demo']);
  const { vmid } = json as { vmid: number };
  const told = stderr.replace(/UPID:\S+/g, 'UPID').split('\n');
  // Beside the log, whose lines are JSON.
  const steps = told.filter((line) => line !== '' && !line.startsWith('{') && !/: \d+ s$/.test(line));
  expect(steps).toEqual([
    `create shown1 (${vmid}) on pve`,
    `create shown1 (${vmid}) on pve: task UPID`,
    `tag shown1 (${vmid})`,
    `tag shown1 (${vmid}): task UPID`,
    `start shown1 (${vmid})`,
    `start shown1 (${vmid}): task UPID`,
    'done',
  ]);
  // A long wait reports the same again and again; one line says it.
  expect(told.filter((line, at) => line !== '' && line === told[at - 1])).toEqual([]);
});

describe('approvals', () => {
  test('list, show and deny need no terminal; approving does', async () => {
    const { vmid } = guest('monitor');
    const { answer } = await call('stop_vm', { vmid, force: true }, ['--reason', 'because']);
    const id = answer.approval_id ?? '';
    const list = await place.run(['approvals', 'list', '--status', 'pending', '--demo']);
    expect(list.json).toMatchObject({ approvals: [{ approval_id: id, status: 'pending', operation: 'stop_vm' }] });
    const show = await place.run(['approvals', 'show', id, '--demo']);
    expect(show.json).toMatchObject({
      approval_id: id,
      reason: 'because',
      plan: { requests: [{ request: expect.stringContaining(`/${vmid}/status/`) }] },
    });
    const without = await place.run(['approvals', 'approve', id, '--demo']);
    expect(without.code).toBe(3);
    expect(without.stderr).toContain('terminal');
    expect((await place.run(['approvals', 'deny', id, '--reason', 'no', '--demo'])).code).toBe(0);
    expect((await place.run(['approvals', 'show', id, '--demo'])).json).toMatchObject({ status: 'denied', note: 'no' });
    expect((await place.run(['approvals', 'deny', id, '--demo'])).code).toBe(1);
  });

  test('on a terminal the plan is shown and the typed name decides', async () => {
    const { vmid, name } = guest('monitor');
    const { answer } = await call('stop_vm', { vmid, force: true }, [], { PROXMOX_APPROVAL: 'human' });
    const id = answer.approval_id ?? '';
    const approve = (typed: string, run = place.onTerminal) =>
      run(['approvals', 'approve', id, '--demo'], { when: /Any other answer does nothing/, answer: typed });

    for (const wrong of [String(vmid), name, 'yes', '']) {
      const refused = await approve(wrong);
      expect(refused.code, `typed "${wrong}"`).toBe(1);
      // The hint for an agent would be to ask the user, who is the reader here.
      expect(refused.stdout).toContain('Run the command again to decide.');
      expect(refused.stdout).not.toContain('call approve again');
      expect(refused.stdout).toContain(`/nodes/`);
    }
    expect((await call('get_vm', { vmid })).answer.status).toBe('running');
    expect((await approve(`${name} ${vmid}`, place.runBinaryOnTerminal)).code).toBe(0);
    expect((await call('get_vm', { vmid })).answer.status).toBe('stopped');
    // Decided already: nothing is asked, and the answer is the outcome.
    const again = await approve(`${name} ${vmid}`);
    expect(again.stdout).not.toContain('To approve, type');
    expect(again).toMatchObject({ code: 0, stdout: expect.stringMatching(/^status: succeeded$/m) });
  });

  test('a call on a terminal asks there', async () => {
    const { vmid, name } = guest('dns1');
    const args = ['call', 'stop_vm', '--args', JSON.stringify({ vmid, force: true }), '--demo'];
    const asked = await place.onTerminal(args);
    expect(asked.code).toBe(3);
    const id = /approval_id: (\w+)/.exec(asked.stdout)?.[1] ?? '';
    expect(asked.stdout).toContain(`how_to_approve: "Read the plan, then repeat the same call with: --approve ${id}`);
    const done = await place.runBinaryOnTerminal([...args, '--approve', id], {
      when: /Any other answer does nothing/,
      answer: `${name} ${vmid}`,
    });
    expect(done.code).toBe(0);
    expect((await call('get_vm', { vmid })).answer.status).toBe('stopped');
  });

  test('a list on a terminal is a table', async () => {
    const { approvals } = (await place.run(['approvals', 'list', '--demo'])).json as { approvals: { approval_id: string }[] };
    const ids = approvals.map((approval) => approval.approval_id);
    expect(ids.length).toBeGreaterThan(3);
    const { stdout, code } = await place.onTerminal(['approvals', 'list', '--demo']);
    expect(code).toBe(0);
    expect(stdout).toContain('│ status');
    for (const id of ids) expect(stdout, 'an id has to be copied whole').toContain(id);
  });
});

test('a standing approval is created on a terminal, once its terms are possible', async () => {
  const add = ['approvals', 'lease', 'add', '--demo', '--operation', 'stop_vm'];
  const asked = { when: /To approve, type/, answer: 'ci 2' };
  const wrong = await place.onTerminal(add, asked);
  expect(wrong.code).toBe(2);
  expect(wrong.stdout).toContain('must name either a tag or a pool');
  expect(wrong.stdout).not.toContain('To allow it');
  const made = await place.runBinaryOnTerminal([...add, '--tag', 'ci', '--uses', '2'], asked);
  expect(made.code).toBe(0);
  for (const said of ['At most 2 guests in all', 'Not covered: plans that are graver', 'Never covered: protected guests'])
    expect(made.stdout).toContain(said);
  const graver = await place.onTerminal([...add, '--tag', 'ci', '--uses', '2', '--allow-raised'], asked);
  expect(graver.stdout).toContain('Covered too: plans that are graver');
  const { leases } = (await place.run(['approvals', 'lease', '--demo'])).json as { leases: { usesLeft: number; raised?: true }[] };
  expect(leases).toMatchObject([{ raised: true }, { operations: ['stop_vm'], tag: 'ci', usesLeft: 2 }]);
  expect(leases[1]?.raised).toBeUndefined();
});

test('everything above is in the audit, and it verifies', async () => {
  const verified = await place.run(['audit', 'verify', '--demo']);
  expect(verified).toMatchObject({ code: 0, json: { ok: true, problems: [] } });
  const tail = (await place.run(['audit', 'tail', '--lines', '500', '--demo'])).json as { kind: string; operation?: string }[];
  for (const kind of ['read', 'dry_run', 'refused', 'approval', 'decision', 'intent', 'outcome']) {
    expect(
      tail.some((line) => line.kind === kind),
      kind,
    ).toBe(true);
  }
  const shown = await place.onTerminal(['audit', 'tail', '-n', '3', '--demo']);
  expect(shown.stdout).toContain('│ what');
});
