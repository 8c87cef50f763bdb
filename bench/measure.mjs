import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** The middle value of several. */
export function median(values) {
  return quantile(values, 0.5);
}

function quantile(values, part) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length * part)];
}

/** `12.3 (11.9–13.0)`: the median, and between which values the middle half lies. */
export function withSpread(values) {
  const show = (value) => value.toFixed(value < 10 ? 2 : 1);
  return `${show(median(values))} (${show(quantile(values, 0.25))}–${show(quantile(values, 0.75))})`;
}

/**
 * Runs several things in turn, so that whatever else the machine does meets all of them.
 * @param cases names, each with a function that answers `{ wall, cpu }` in milliseconds and further values, or nothing: then its wall time counts
 * @returns for each name, by the names of the values, those of all rounds
 */
export async function interleave(rounds, cases) {
  const values = Object.fromEntries(Object.keys(cases).map((name) => [name, { wall: [], cpu: [] }]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of Object.entries(cases)) {
      const began = performance.now();
      const { wall = performance.now() - began, cpu = 0, ...more } = (await run()) ?? {};
      for (const [key, value] of Object.entries({ wall, cpu, ...more })) {
        values[name][key] ??= [];
        values[name][key].push(value);
      }
    }
  }
  return values;
}

/** MiB that a process has resident. Linux. */
export function residentOf(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
}

/** CPU time (ms) of a process so far, all its threads. Linux. */
export function cpuOf(pid) {
  const threads = readdirSync(`/proc/${pid}/task`).map((thread) => readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8'));
  return threads.reduce((sum, text) => sum + Number(text.split(' ')[0]), 0) / 1e6;
}

/** Wall and CPU time of `times` calls of `work` one after another, each call's share; the CPU time is that of the process `pid`. */
export async function perCall(times, pid, work) {
  const [began, before] = [performance.now(), cpuOf(pid)];
  for (let n = 0; n < times; n++) await work();
  return { wall: (performance.now() - began) / times, cpu: (cpuOf(pid) - before) / times };
}

/** One principal may make 200 reads a second. */
const READ_MS = 5.5;

/** Does work that makes this many reads, and takes as long for it as the product's limit asks for. */
export async function paced(reads, work) {
  const began = performance.now();
  await work();
  const rest = reads * READ_MS - (performance.now() - began);
  if (rest > 0) await new Promise((resolve) => setTimeout(resolve, rest));
}

/**
 * Runs a program to its end: CPU time of all of it, by the shell that waits for it, and wall time until the end or, with `messages`, until
 * the last of them is answered.
 * @param messages JSON-RPC, sent one after another: each request after the answer to the one before
 */
export async function runOnce(command, env, messages = []) {
  const began = performance.now();
  const child = spawn('bash', ['-c', '"$@"; times', '-', ...command], { env, stdio: ['pipe', 'pipe', 'ignore'] });
  child.stdout.setEncoding('utf8');
  let output = '';
  const ended = new Promise((resolve) => child.once('close', resolve));
  child.stdout.on('data', (text) => {
    output += text;
  });
  let wall;
  for (const message of messages) {
    child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
    if (message.id === undefined) continue;
    while (!new RegExp(`"id":${message.id}\\b.*\\n`).test(output)) await new Promise((resolve) => child.stdout.once('data', resolve));
    wall = performance.now() - began;
  }
  child.stdin.end();
  await ended;
  if (/"isError":true|"error":\{/.test(output)) throw new Error(`${command.join(' ')}: ${output.slice(0, 500)}`);
  // bash says "0m0.120s 0m0.013s": user and system time, of itself, then of what it ran.
  const times = [...(output.trimEnd().split('\n').at(-1) ?? '').matchAll(/(\d+)m([\d.]+)s/g)];
  return {
    wall: wall ?? performance.now() - began,
    cpu: times.reduce((sum, [, minutes, seconds]) => sum + minutes * 60_000 + seconds * 1000, 0),
  };
}

const clientInfo = { name: 'bench', version: '0' };
/** A client that only lists the tools. */
export const LIST = [
  { id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo } },
  { method: 'notifications/initialized' },
  { id: 2, method: 'tools/list' },
];
/** A client that calls a tool at once. */
export const listAndCall = (name) => [...LIST, { id: 3, method: 'tools/call', params: { name, arguments: {} } }];
