// npm run soak [-- MINUTES]: calls the shipped server over stdio for 20 minutes and shows how its memory goes. Fails when it grows.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { loadSimulator, openCluster, workFolder } from './cluster.mjs';
import { median } from './measure.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const minutes = Number(process.argv[2] ?? 20);
const folder = workFolder(root);
const cluster = await openCluster(await loadSimulator(root, folder), folder, 'soak', { guests: 200 });
const client = new Client({ name: 'soak', version: '0' });
const transport = new StdioClientTransport({
  ...{ command: process.execPath, args: [join(root, 'dist/cli.js'), 'stdio'], env: cluster.env, stderr: 'inherit' },
});
await client.connect(transport);
const call = async (name, args) => {
  const { isError, structuredContent, content } = await client.callTool({ name, arguments: args }, { timeout: 120_000 });
  if (isError) throw new Error(`${name}: ${content[0].text}`);
  return structuredContent;
};
/** MiB that the server has resident. */
const resident = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${transport.pid}/status`, 'utf8'))[1]) / 1024;

const { columns, rows } = await call('list_vms', { limit: 100 });
const vmids = rows.map((row) => row[columns.indexOf('vmid')]);
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
  samples.push(resident());
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
