// npm run soak [-- MINUTES]: calls the shipped server over stdio for 20 minutes and shows how its memory goes. Fails when it grows.
import { workFolder } from '../scripts/bundled.mjs';
import { connect, objects } from './clients.mjs';
import { loadSimulator, openCluster } from './cluster.mjs';
import { median, residentOf } from './measure.mjs';

const minutes = Number(process.argv[2] ?? 20);
const folder = workFolder();
const cluster = await openCluster(await loadSimulator(folder), folder, 'soak', { guests: 200 });
const { client, call, pid } = await connect(cluster.env);
const vmids = objects((await call('list_vms', { limit: 100 })).data).map(({ vmid }) => vmid);
const end = Date.now() + minutes * 60_000;
const samples = [];
let calls = 0;
for (let next = Date.now(); Date.now() < end; calls++) {
  const vmid = vmids[calls % vmids.length];
  await (calls % 3 === 0 ? call('list_vms', { limit: 10 }) : call('get_vm', { vmid }));
  if (calls % 50 === 0) await call('start_vm', { vmid, dry_run: true });
  // At most 150 calls a second: more than 200 reads a second are refused.
  await new Promise((done) => setTimeout(done, 7));
  if (Date.now() < next) continue;
  samples.push(residentOf(pid));
  next += (minutes * 60_000) / 40;
}
// The first quarter fills caches and compiles; from there on the middle of each part must stay.
const part = (from, to) => median(samples.slice(Math.floor(samples.length * from), Math.floor(samples.length * to)));
const [early, late] = [part(0.25, 0.5), part(0.75, 1)];
console.log(`${calls} calls in ${minutes} minutes; resident MiB: ${samples.map((mib) => mib.toFixed(0)).join(' ')}`);
console.log(`second quarter ${early.toFixed(1)} MiB, last quarter ${late.toFixed(1)} MiB`);
await client.close();
await cluster.close();
process.exit(late > early * 1.05 + 2 ? 1 : 0);
