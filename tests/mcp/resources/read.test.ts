import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findAt } from '../../../src/mcp/resources/read.ts';
import { openTwo, type Two } from '../../helpers/two-clusters.ts';
import { agent, hurriedClock } from '../../helpers/world.ts';

let two: Two;
beforeEach(async () => {
  two = await openTwo();
});
afterEach(() => two.close());

const at = (uri: string, engine = two.engine) =>
  findAt({ engine: async () => engine, caller: () => agent, demo: false, notices: () => [] }, uri, {
    elicitation: false,
    opensUrls: false,
  });

describe('one item of several clusters by its address', () => {
  it('is an approval of either, however many came after it', async () => {
    const old = await two.asks('stop_vm', { cluster: 'work', vmid: 100 });
    await two.done('deny', { approval_id: old });
    // More than a page on both.
    for (let count = 0; count < 20; count++)
      for (const cluster of ['home', 'work']) await two.done('deny', { approval_id: await two.asks('stop_vm', { cluster, vmid: 101 }) });
    expect(await at(`proxmox://approvals/${old}`)).toMatchObject({ cluster: 'work', approval_id: old, status: 'denied' });
    expect(await at('proxmox://approvals/apr_nosuch')).toBeUndefined();
  });

  it('is not reported as missing while a cluster does not answer', async () => {
    await two.work.simulator.close();
    const engine = two.another({ clock: hurriedClock() });
    await expect(at('proxmox://approvals/apr_nosuch', engine)).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('their part is missing: work ('),
    });
    expect(await at('proxmox://storage/nas', engine)).toMatchObject({
      storages: expect.arrayContaining([expect.objectContaining({ cluster: 'home' })]),
    });
  });

  it('is a guest by cluster and VMID, and by VMID alone where one cluster has it', async () => {
    const { vmid } = await two.done('create_vm', { cluster: 'work', name: 'only-here', disk_gb: 1 });
    for (const id of [`work:${vmid}`, String(vmid)]) expect(await at(`proxmox://guest/${id}`)).toMatchObject({ name: 'only-here' });
    await expect(at('proxmox://guest/100')).rejects.toMatchObject({
      code: 'ambiguous',
      hint: 'Read one of proxmox://guest/home:100, proxmox://guest/work:100.',
    });
    expect(await at('proxmox://guest/home:100')).toMatchObject({ vmid: 100 });
  });
});
