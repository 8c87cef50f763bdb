import { once } from 'node:events';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, callBinary, openPlace, type Place, run, until } from './harness.ts';

// Two who watch from outside: the phone of the operator, and the place that remembers where the audit stood.

const messages: { approval_id: string; [key: string]: unknown }[] = [];
const phone = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  messages.push(JSON.parse(body));
  response.end();
});
let place: Place;
let anchor: string;
let auditFile: string;

beforeAll(async () => {
  phone.listen(0, '127.0.0.1');
  await once(phone, 'listening');
  place = await openPlace();
  anchor = join(dirname(place.dataDir), 'elsewhere', 'anchor.log');
  auditFile = join(place.dataDir, 'audit.jsonl');
  Object.assign(place.env, {
    PROXMOX_NOTIFY_URL: `http://127.0.0.1:${(phone.address() as AddressInfo).port}/hook/canary-hook`,
    PROXMOX_CONSOLE_URL: 'https://mcp.example.org/console/',
    PROXMOX_AUDIT_ANCHOR: anchor,
  });
}, 60_000);
afterAll(async () => {
  phone.closeAllConnections();
  phone.close();
  await place.close();
});

describe('announcements', () => {
  it('tell of a new approval once, with a link and without a secret', async () => {
    const { vms } = (await call(place, 'list_vms', { status: 'running' })).json as { vms: { vmid: number }[] };
    const [first, second] = vms;
    const asked = await callBinary(place, 'stop_vm', { vmid: first?.vmid }, ['--reason', 'canary-reason']);
    expect(asked.code).toBe(3);
    await until('the message', () => messages.length > 0);
    expect((await call(place, 'stop_vm', { vmid: first?.vmid })).json.approval_id).toBe(asked.json.approval_id);
    const other = await call(place, 'stop_vm', { vmid: second?.vmid });
    await until('the second message', () => messages.length > 1);
    expect(messages.map((m) => m.approval_id)).toEqual([asked.json.approval_id, other.json.approval_id]);
    expect(messages[0]).toMatchObject({
      event: 'approval_pending',
      summary: asked.json.summary,
      expires_at: asked.json.expires_at,
      url: `https://mcp.example.org/console/#/pending/${asked.json.approval_id}`,
    });
    expect(JSON.stringify(messages)).not.toMatch(new RegExp(`canary|${place.simulator.token.secret}`));
    expect(place.mutations()).toEqual([]);
  });

  it('that fail change nothing but the log', async () => {
    const { vms } = (await call(place, 'list_vms', { status: 'running' })).json as { vms: { vmid: number }[] };
    const nowhere = { PROXMOX_NOTIFY_URL: 'http://127.0.0.1:1/canary-hook', PROXMOX_LOG_LEVEL: 'warn' };
    const asked = await callBinary(place, 'stop_vm', { vmid: vms[2]?.vmid }, [], nowhere);
    expect(asked.code).toBe(3);
    expect(asked.stderr).toContain('announcing a pending approval failed');
    expect(asked.stdout + asked.stderr).not.toContain('canary-hook');
  });
});

describe('doctor', () => {
  it('shows the approval method and the policy', async () => {
    const policy = join(place.dataDir, 'policy.json');
    writeFileSync(policy, '{"rules": [{"match": {"tag": ["prod"]}, "approvals": 2}]}');
    const { json, stdout } = await run(place, ['doctor'], { PROXMOX_POLICY_FILE: policy });
    expect(json).toMatchObject({
      approvals: { asked: 3, given: 0, quick: 0 },
      policy: [{}, { match: 'tag prod', demands: 'the yes of 2 owners' }],
    });
    expect(stdout).not.toContain('canary-hook');
  });
});

describe('the audit and its checkpoints', () => {
  const verify = (args: string[] = [], env: Record<string, string> = {}) => run(place, ['audit', 'verify', ...args], env);
  const keep = () => ({ audit: readFileSync(auditFile, 'utf8'), restore: readFileSync(auditFile) });

  it('fit, and cover everything that ended processes left', async () => {
    const { code, json } = await verify();
    expect(json).toMatchObject({ ok: true, problems: [], anchor: { uncovered: 0, problems: [] } });
    expect(code).toBe(0);
  });

  it('show that the newest lines were cut off, which the trail alone does not', async () => {
    const { audit, restore } = keep();
    writeFileSync(auditFile, `${audit.trimEnd().split('\n').slice(0, -2).join('\n')}\n`);
    expect((await verify([], { PROXMOX_AUDIT_ANCHOR: '' })).code).toBe(0);
    for (const args of [[], ['--anchor', anchor]]) {
      const { code, json } = await verify(args);
      expect(code).toBe(1);
      expect(json).toMatchObject({
        ok: false,
        problems: [],
        anchor: { problems: [expect.stringContaining('the newest 2 were removed')] },
      });
    }
    expect((await run(place, ['doctor'])).json.checks).toContainEqual(expect.objectContaining({ name: 'audit', state: 'fail' }));
    writeFileSync(auditFile, restore);
  });

  it('show that the whole file is gone, also when a server has begun a new one', async () => {
    renameSync(auditFile, `${auditFile}.away`);
    const gone = await verify();
    expect([gone.code, gone.stderr]).toEqual([1, expect.stringContaining('is missing. It had')]);
    await callBinary(place, 'list_vms', {});
    const begun = await verify();
    expect(begun.code).toBe(1);
    rmSync(auditFile);
    renameSync(`${auditFile}.away`, auditFile);
    // What the new file said stands in the anchor for good: it is evidence, and does not fit the old one.
    expect((await verify()).json).toMatchObject({
      ok: false,
      anchor: { problems: [expect.stringContaining('or an earlier one changed')] },
    });
    const lines = readFileSync(anchor, 'utf8').trimEnd().split('\n');
    writeFileSync(anchor, `${lines.slice(0, -1).join('\n')}\n`);
    expect((await verify()).code).toBe(0);
  });

  it('can be checked elsewhere, with the public key alone', async () => {
    const { stdout } = await run(place, ['audit', 'public-key']);
    const pem = join(place.dataDir, 'public.pem');
    writeFileSync(pem, stdout);
    const elsewhere = { PROXMOX_DATA_DIR: join(place.dataDir, 'nothing-here'), PROXMOX_AUDIT_FILE: auditFile };
    const without = await verify([], elsewhere);
    expect([without.code, without.stderr]).toEqual([1, expect.stringContaining('--public-key')]);
    expect((await verify(['--anchor', anchor, '--public-key', pem], elsewhere)).code).toBe(0);
    expect(existsSync(elsewhere.PROXMOX_DATA_DIR)).toBe(false);
  });

  it('hold across a rotation', async () => {
    const { code, json } = await run(place, ['audit', 'rotate']);
    expect(code).toBe(0);
    expect(existsSync(String(json.closed))).toBe(true);
    await call(place, 'list_vms', {});
    const { json: verified } = await verify();
    expect(verified).toMatchObject({ ok: true, earlier: [expect.stringMatching(/^audit\.1-\d+\.jsonl$/)], anchor: { uncovered: 0 } });
    expect((await run(place, ['audit', 'tail', '-n', '50'])).stdout).toContain('rotated');
    renameSync(String(json.closed), `${json.closed}.away`);
    expect((await verify()).code).toBe(1);
  });
});
