// Resident memory of the product and of bare SDK servers: idle, after a little work, and after many calls.
import { readFileSync } from 'node:fs';
import { paced } from './measure.mjs';

const resident = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

/**
 * Rows of [when, MiB of each server].
 * @param servers names, each with its `pid` and `call(tool, arguments)`; the product first, the others answer `list_vms` alone
 */
export async function memory(servers, calls) {
  const [product, ...others] = Object.values(servers);
  const rows = [];
  const note = (when) => rows.push([when, ...Object.values(servers).map(({ pid }) => resident(pid).toFixed(0))]);
  const everywhere = async (args) => {
    await product.call('list_vms', args);
    for (const { call } of others) await call('list_vms', {});
  };
  note('idle, tools listed');
  await everywhere({});
  const { columns, rows: found } = (await product.call('list_vms', { type: 'vm', status: 'stopped', limit: 1 })).data;
  const vmid = found[0][columns.indexOf('vmid')];
  await product.call('get_vm', { vmid });
  await product.call('start_vm', { vmid });
  note('after list, get and start');
  for (let done = 1; done <= calls; done++) {
    await paced(1, () => everywhere({ limit: 10 }));
    if (done === calls / 2 || done === calls) note(`after ${done.toLocaleString('en')} lists`);
  }
  return rows;
}
