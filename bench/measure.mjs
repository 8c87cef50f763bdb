import { spawn } from 'node:child_process';

/** The middle value of several. */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** Runs two things alternately, so that whatever else the machine does meets both; median milliseconds of each. */
export async function alternate(rounds, first, second) {
  const times = [[], []];
  for (let round = 0; round < rounds; round++) {
    for (const [index, run] of [first, second].entries()) {
      const began = performance.now();
      const own = await run();
      times[index].push(typeof own === 'number' ? own : performance.now() - began);
    }
  }
  return { first: median(times[0]), second: median(times[1]) };
}

/** Milliseconds from starting a stdio server to its answer to the first tools/list, over a hand-written pipe. */
export async function timeToFirstList(file, args, env) {
  const began = performance.now();
  const child = spawn(process.execPath, [file, ...args], { env, stdio: ['pipe', 'pipe', 'ignore'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const send = (message) => child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  const clientInfo = { name: 'bench', version: '0' };
  send({ id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo } });
  send({ method: 'notifications/initialized' });
  send({ id: 2, method: 'tools/list' });
  let buffer = '';
  for await (const chunk of child.stdout) {
    buffer += chunk;
    if (buffer.includes('"id":2') && buffer.endsWith('\n')) break;
  }
  const took = performance.now() - began;
  child.stdin.end();
  await ended;
  return took;
}
