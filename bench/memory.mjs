// Resident memory of the product and of bare SDK servers: idle, after a little work, and after many calls.
import { vmidsOf } from './clients.mjs';
import { paced, residentOf } from './measure.mjs';

/**
 * Rows of [when, MiB of each server].
 * @param servers names, each with its `pid` and `call(tool, arguments)`; the product first, the others answer `list_vms` alone
 */
export async function memory(servers, calls) {
  const [product, ...others] = Object.values(servers);
  const rows = [];
  const note = (when) => rows.push([when, ...Object.values(servers).map(({ pid }) => residentOf(pid).toFixed(0))]);
  const everywhere = async (args) => {
    await product.call('list_vms', args);
    for (const { call } of others) await call('list_vms', {});
  };
  note('idle, tools listed');
  await everywhere({});
  const [vmid] = await vmidsOf(product, 'stopped', 1);
  await product.call('get_vm', { vmid });
  await product.call('start_vm', { vmid });
  note('after list, get and start');
  for (let done = 1; done <= calls; done++) {
    await paced(1, () => everywhere({ limit: 10 }));
    if (done === calls / 2 || done === calls) note(`after ${done.toLocaleString('en')} lists`);
  }
  return rows;
}
