// The raw API client in a process of its own, so that its CPU time is its own: reads lines of paths, asks for them side by side, answers a line.
import { createInterface } from 'node:readline';
import { get } from './get.mjs';

for await (const line of createInterface({ input: process.stdin })) {
  await Promise.all(line.split(' ').map(get));
  process.stdout.write('done\n');
}
process.exit(0);
