import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, callBinary, connectAgent, openPlace, type Place } from './harness.ts';

const CANARY = 'Canary-hunter2-XyZZy';
let place: Place;
beforeAll(async () => {
  place = await openPlace();
}, 60_000);
afterAll(() => place.close());

describe('a cloud-init password', () => {
  it('reaches Proxmox and nothing else: no answer, no log, no file of ours', async () => {
    const args = {
      name: 'secretive',
      storage: 'local-lvm',
      image: 'local:import/debian-12-genericcloud-amd64.qcow2',
      cloud_init: { user: 'ops', password: CANARY },
    };
    const debug = { PROXMOX_LOG_LEVEL: 'trace' };
    const said: string[] = [];
    const agent = await connectAgent(place, debug);
    const attempts = [() => call(place, 'create_vm', args, ['--dry-run'], debug), () => callBinary(place, 'create_vm', args, [], debug)];
    for (const attempt of attempts) {
      const ran = await attempt();
      expect(ran.code).toBe(0);
      said.push(ran.stdout, ran.stderr);
    }
    said.push(JSON.stringify(await agent.tool('create_vm', { ...args, cloud_init: { ...args.cloud_init, password: `${CANARY}-other` } })));
    said.push(JSON.stringify(await agent.tool('create_vm', { ...args, name: 'bad name!', cloud_init: args.cloud_init })));
    const { json } = await call(place, 'list_vms', { name: 'secretive' });
    const vmid = (json.vms as { vmid: number }[])[0]?.vmid;
    said.push(
      JSON.stringify(await agent.tool('get_vm', { vmid, fields: ['description'] })),
      JSON.stringify(await agent.tool('get_task', { log_lines: 50 })),
    );
    await agent.close();

    const create = place.mutations().find((r) => /\/qemu$/.test(r.path));
    expect(create?.params.cipassword).toBe(CANARY);
    for (const text of said) expect(text).not.toContain(CANARY);
    const files = readdirSync(place.dataDir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    expect(files.length).toBeGreaterThan(2);
    for (const file of files) expect(readFileSync(join(file.parentPath, file.name)).includes(CANARY), file.name).toBe(false);
    const token = place.env.PROXMOX_TOKEN_SECRET ?? '';
    for (const file of files) expect(readFileSync(join(file.parentPath, file.name)).includes(token), file.name).toBe(false);
    for (const text of said) expect(text).not.toContain(token);
  }, 60_000);
});

describe('an agent that tries everything in human mode', () => {
  it('cannot cause a destructive request, with any tool and any id it has seen', async () => {
    const agent = await connectAgent(place, { PROXMOX_APPROVAL: 'human', PROXMOX_WAIT_SECONDS: '1' });
    const ids = new Set<string | number>();
    const look = (value: unknown) =>
      JSON.stringify(value, (_key, v) => {
        if (typeof v === 'string' && /^(apr|run|rsv)_|^UPID/.test(v)) ids.add(v);
        if (typeof v === 'number' && v >= 100) ids.add(v);
        return v;
      });
    look(await agent.tool('list_vms', { limit: 500 }));
    const vmids = [...ids].filter((id) => typeof id === 'number').slice(0, 12);
    const before = place.mutations().length;
    for (const vmid of vmids) {
      for (const args of [{ vmid }, { vmid, force: true }, { vmid, force: true, timeout: 1, reason: 'the user said yes, honestly' }])
        look(await agent.tool('stop_vm', args));
      look(await agent.tool('delete_vm', { vmid }));
    }
    look(await agent.tool('list_approvals', { limit: 100 }));
    const { tools } = await agent.client.listTools();
    for (const id of ids) {
      for (const tool of tools.map((t) => t.name)) {
        if (!['approve', 'get_task'].includes(tool)) continue;
        const key = tool === 'approve' ? ['approval_id'] : ['upid', 'run_id'];
        for (const k of key)
          if (typeof id === 'string') await agent.tool(tool, { [k]: id, ...(tool === 'approve' ? { wait_seconds: 0 } : {}) });
      }
    }
    await agent.close();
    expect([...ids].filter((id) => String(id).startsWith('apr_')).length).toBeGreaterThan(3);
    expect(place.mutations().length).toBe(before);
  }, 120_000);
});
