// npm run bench: what the product costs, as ratios measured in one run on one machine. Writes docs/benchmarks.md.
// npm run bench -- TITLE… shows the sections whose titles begin so, and writes nothing.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { bundle, root, workFolder } from '../scripts/bundled.mjs';
import { cli, connect, objects, rawClient, vmidsOf } from './clients.mjs';
import { loadSimulator, openCluster } from './cluster.mjs';
import { roundTrips, waits } from './far.mjs';
import { throughput } from './http.mjs';
import { interleave, LIST, listAndCall, median, paced, perCall, runOnce, withSpread } from './measure.mjs';
import { memory } from './memory.mjs';
import { profile } from './profile.mjs';
import { fullStore } from './rows.mjs';

const folder = workFolder();
const START_ROUNDS = 9;
const CALL_ROUNDS = 15;
/** Calls in a row of one side, and before the first round, so that V8 has compiled what both sides repeat. */
const CALLS_A_ROUND = { 10: 40, '10,000': 4 };
const WARM_CALLS = { 10: 2000, '10,000': 8 };
const MEMORY_CALLS = 10_000;

const tokens = (value) => encode(typeof value === 'string' ? value : JSON.stringify(value)).length;

/** From the start of a process to an answer, everything in turn, and to its end for programs without messages. */
async function startUp(env) {
  const node = [process.execPath];
  const bare = await bundle('bench/bare-server.mjs', folder);
  const launcher = [join(root, 'dist/proxmox-mcp.sh')];
  execFileSync(launcher[0], ['--build-snapshot'], { env });
  // The code cache is written by the first start.
  for (const warm of [
    [cli, 'stdio'],
    [cli, 'call', 'list_vms'],
  ])
    await runOnce([...node, ...warm], env, warm.length > 2 ? [] : listAndCall('list_vms'));
  const values = await interleave(START_ROUNDS, {
    '`node -e 0`': () => runOnce([...node, '-e', '0'], env),
    'first `tools/list`, product': () => runOnce([...node, cli, 'stdio'], env, LIST),
    'first `tools/list`, product through its launcher (snapshot)': () => runOnce([...launcher, 'stdio'], env, LIST),
    'first `tools/list`, bare SDK v2 server, bundled': () => runOnce([...node, bare], env, LIST),
    'first `tools/list`, bare SDK v2 server': () => runOnce([...node, join(root, 'bench/bare-server.mjs')], env, LIST),
    'first `tools/list`, bare SDK v1 server': () => runOnce([...node, join(root, 'bench/bare-v1-server.mjs')], env, LIST),
    'first `list_vms`, product': () => runOnce([...node, cli, 'stdio'], env, listAndCall('list_vms')),
    'first `list_vms`, product through its launcher (snapshot)': () => runOnce([...launcher, 'stdio'], env, listAndCall('list_vms')),
    'first `list_vms`, bare SDK v1 server with one GET': () =>
      runOnce([...node, join(root, 'bench/bare-v1-server.mjs')], env, listAndCall('list_vms')),
    '`call list_vms`, product': () => runOnce([...node, cli, 'call', 'list_vms'], env),
  });
  const least = median(values['`node -e 0`'].cpu);
  return Object.entries(values).map(([what, { wall, cpu }]) => [what, withSpread(wall), withSpread(cpu), (median(cpu) / least).toFixed(2)]);
}

/**
 * The same reads through the product (MCP over stdio, audit written), through a bare server of the SDK, and straight to the API; each a call's
 * share of a few.
 */
async function latency(cluster, { call, pid }, guests) {
  const raw = rawClient(cluster.env);
  const bare = await connect(cluster.env, [join(root, 'bench/bare-server.mjs')]);
  /** Each beside the GETs that the product itself sends for it. */
  const reads = [
    [`list_vms, ${guests} guests`, () => call('list_vms', { limit: 10 }), () => bare.call('list_vms'), ['/cluster/resources?type=vm']],
  ];
  for (const status of ['stopped', 'running']) {
    const [vmid] = await vmidsOf({ call }, status, 1);
    const show = () => call('get_vm', { vmid });
    for (let n = 0; n < 2; n++) await show();
    const before = cluster.requests.length;
    await show();
    const paths = cluster.requests.slice(before).map((line) => line.replace('GET ', ''));
    reads.push([`get_vm, ${status}, ${guests} guests`, show, () => bare.call('get_vm', { paths }), paths]);
  }
  for (let n = 0; n < WARM_CALLS[guests]; n++)
    for (const [, ours, floor, paths] of reads) await paced(1, () => Promise.all([ours(), floor(), raw.ask(...paths)]));
  const rows = [];
  for (const [what, ours, floor, paths] of reads) {
    const times = CALLS_A_ROUND[guests];
    const values = await interleave(CALL_ROUNDS, {
      product: () => perCall(times, pid, ours),
      bare: () => perCall(times, bare.pid, floor),
      raw: () => perCall(times, raw.pid, () => raw.ask(...paths)),
    });
    const against = paths.length === 1 ? '1 GET' : `${paths.length} GETs side by side`;
    rows.push([what, against, values.product, values.raw], [`${what}, bare SDK v2 server`, against, values.bare, values.raw]);
  }
  await bare.client.close();
  raw.end();
  return rows;
}

async function requestsPerCall(cluster, { call }) {
  const rows = [];
  const count = async (label, work) => {
    const before = cluster.requests.length;
    const answer = await work();
    const sent = cluster.requests.slice(before);
    const reads = sent.filter((line) => line.startsWith('GET')).length;
    rows.push([label, String(sent.length), `${reads} + ${sent.length - reads}`]);
    return answer.data;
  };
  await call('list_vms');
  await count('list_vms', () => call('list_vms'));
  const { vmid } = await count('create_vm (dry-run)', () => call('create_vm', { name: 'bench', storage: 'local-lvm', dry_run: true })).then(
    () => count('create_vm', () => call('create_vm', { name: 'bench', storage: 'local-lvm' })),
  );
  await count('create_vm (exists)', () => call('create_vm', { name: 'bench' }));
  await count('get_vm, stopped, first time', () => call('get_vm', { vmid }));
  await count('get_vm, stopped, again', () => call('get_vm', { vmid }));
  await count('set_resources', () => call('set_resources', { vmid, cores: 1 }));
  await count('start_vm', () => call('start_vm', { vmid }));
  await count('get_vm, running', () => call('get_vm', { vmid }));
  const stop = await count('stop_vm (asks)', () => call('stop_vm', { vmid, force: true }));
  await count('approve (stops)', () => call('approve', { approval_id: stop.approval_id }));
  const gone = await count('delete_vm (asks)', () => call('delete_vm', { vmid }));
  await count('approve (deletes)', () => call('approve', { approval_id: gone.approval_id }));
  return rows;
}

async function tokenCosts({ client, call }) {
  const { tools } = await client.listTools();
  const answer = async (label, name, args) => {
    const { data, text } = await call(name, args);
    return [label, String(tokens(text)), String(tokens(data))];
  };
  const { data } = await call('list_vms', { type: 'vm', status: 'stopped', limit: 1 });
  const [{ vmid }] = objects(data);
  return [
    [`tool list, ${tools.length} tools, output schemas included`, '', String(tokens({ tools }))],
    ['rules of use (`instructions`)', String(tokens(client.getInstructions() ?? '')), ''],
    await answer('list_vms, 50 guests', 'list_vms', { limit: 50 }),
    await answer('get_vm', 'get_vm', { vmid }),
    await answer('create_vm, dry-run', 'create_vm', { name: 'tokens', storage: 'local-lvm', dry_run: true }),
    await answer('delete_vm, approval required', 'delete_vm', { vmid }),
  ];
}

function table(head, rows) {
  const all = [head, head.map(() => '---'), ...rows];
  return all.map((row) => `| ${row.join(' | ')} |`).join('\n');
}

const ratio = (ours, theirs) => (median(ours) / median(theirs)).toFixed(2);
const ratios = (rows) =>
  table(
    ['what', 'against', 'ms', 'against, ms', 'ratio', 'CPU ms', 'against, CPU ms', 'ratio'],
    rows.map(([what, against, { wall, cpu }, raw]) => [
      ...[what, against, withSpread(wall), withSpread(raw.wall), ratio(wall, raw.wall)],
      ...[withSpread(cpu), withSpread(raw.cpu), ratio(cpu, raw.cpu)],
    ]),
  );

const [load = 0] = loadavg();
const wanted = process.argv.slice(2);
const simulator = await loadSimulator(folder);
const SEEDS = { ten: { guests: 10 }, 'ten far': { guests: 10 }, sixty: { guests: 60 }, many: { guests: 10_000 }, demo: undefined };
const clusters = new Map();
const connections = new Map();
const kept = async (known, name, make) => {
  if (!known.has(name)) known.set(name, await make());
  return known.get(name);
};
const clusterOf = (name) => kept(clusters, name, () => openCluster(simulator, folder, name.replace(' ', '-'), SEEDS[name]));
const connectionTo = (name) => kept(connections, name, async () => connect((await clusterOf(name)).env));

/** The sections, in their order; what they return is shown as soon as it is measured. */
const SECTIONS = {
  'Start-up': async () =>
    table(
      ['from the start of the process to', 'ms', 'CPU ms, whole process', 'CPU × `node -e 0`'],
      await startUp((await clusterOf('ten')).env),
    ),
  async Latency() {
    const of = async (name, guests) => latency(await clusterOf(name), await connectionTo(name), guests);
    return ratios([...(await of('ten', '10')), ...(await of('many', '10,000'))]);
  },
  async 'Round trips, each answer 20 ms later'() {
    const of = async (name, guests) => roundTrips(await clusterOf(name), await connectionTo(name), guests);
    const rows = [...(await of('ten far', '10')), ...(await of('many', '10,000'))];
    return table(
      ['what', 'ms', 'one GET, ms', 'round trips'],
      rows.map(([what, ours, one]) => [what, withSpread(ours), withSpread(one), ratio(ours, one)]),
    );
  },
  async 'Answers to calls that wait for a task'() {
    const rows = await waits(await clusterOf('sixty'), await connectionTo('sixty'));
    return table(
      ['what', 's'],
      rows.map(([what, seconds]) => [what, withSpread(seconds)]),
    );
  },
  async 'A store with 10,000 approvals and 10,000 runs'() {
    const rows = await fullStore(folder, await clusterOf('sixty'));
    return table(
      ['what', 'with one of each, ms', 'with all, ms', 'ratio', 'with one of each, CPU ms', 'with all, CPU ms', 'ratio'],
      rows.map(([what, few, full]) => [
        ...[what, withSpread(few.wall), withSpread(full.wall), ratio(full.wall, few.wall)],
        ...[withSpread(few.cpu), withSpread(full.cpu), ratio(full.cpu, few.cpu)],
      ]),
    );
  },
  async 'HTTP, 64 callers'() {
    const servers = ['bench/bare-http-server.mjs', 'bench/by-hand-http-server.mjs'].map((file) => join(root, file));
    const rates = await throughput(cli, ...servers, await clusterOf('ten'));
    return table(
      ['what', 'calls/s', 'CPU ms a call', 'requests to Proxmox a call'],
      rates.map(([what, { wall, cpu, requests }]) => [
        what,
        (1000 / median(wall)).toFixed(0),
        withSpread(cpu),
        median(requests).toFixed(2),
      ]),
    );
  },
  'Where a repeated call spends its time': async () =>
    table(
      ['% of the time in functions', 'list_vms, stdio', 'get_vm, stdio', 'list_vms, HTTP, 64 callers'],
      await profile(await clusterOf('ten'), folder),
    ),
  'Requests to Proxmox per call': async () =>
    table(['call', 'requests', 'reads + changes'], await requestsPerCall(await clusterOf('demo'), await connectionTo('demo'))),
  'Tokens (o200k)': async () => table(['what', 'text', 'JSON'], await tokenCosts(await connectionTo('many'))),
  async 'Resident memory, MiB'() {
    const { env } = await clusterOf('ten');
    const bare = ['bare-server.mjs', 'bare-v1-server.mjs'].map((file) => connect(env, [join(root, 'bench', file)]));
    const [product, v2, v1] = await Promise.all([connect(env), ...bare]);
    for (const { client } of [product, v2, v1]) await client.listTools();
    const mib = await memory({ product, v2, v1 }, MEMORY_CALLS);
    await Promise.all([product, v2, v1].map(({ client }) => client.close()));
    return table(['when', 'product', 'bare SDK v2 server', 'bare SDK v1 server'], mib);
  },
};

const sections = [];
try {
  for (const [title, measure] of Object.entries(SECTIONS)) {
    if (wanted.length > 0 && !wanted.some((one) => title.toLowerCase().startsWith(one.toLowerCase()))) continue;
    sections.push(`\n## ${title}\n\n${await measure()}`);
    console.log(sections.at(-1));
  }
} finally {
  for (const { client } of connections.values()) await client.close();
  for (const cluster of clusters.values()) await cluster.close();
}
if (wanted.length > 0) process.exit();

const BEGIN = '<!-- npm run bench: begin -->';
const END = '<!-- npm run bench: end -->';
const body = [
  BEGIN,
  `Measured by \`npm run bench\` on ${new Date().toISOString().slice(0, 10)} in one run (Node ${process.version}, ${cpus().length} cores, load average ${load.toFixed(1)} before it began). Figures are medians; in brackets is the range of the middle half.`,
  'All sides run in turn, in a clean environment, yet figures of a busy machine scatter. The cluster is the embedded one over HTTPS. The product’s side includes MCP over a pipe,',
  'checks, rendering and the audit record. The other side sends the bare API requests over an open connection.',
  ...sections,
  END,
].join('\n');
const file = join(root, 'docs/benchmarks.md');
const old = existsSync(file) ? readFileSync(file, 'utf8') : '# Benchmarks\n';
const [before = '', rest = ''] = old.split(BEGIN);
const after = rest.split(END)[1] ?? '\n';
writeFileSync(file, `${before.trimEnd()}\n\n${body}${after}`);
