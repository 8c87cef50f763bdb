// The health of a container: of `http`, that it can serve calls; of any other command, that it runs.   node healthcheck.mjs [PID, default 1]
import { readFileSync } from 'node:fs';
import { request as plain } from 'node:http';
import { request as tls } from 'node:https';

const args = readFileSync(`/proc/${process.argv[2] ?? '1'}/cmdline`, 'utf8').split('\0');
const option = (name) =>
  args.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1) ?? args[args.indexOf(name) + 1 || args.length];
if (!args.includes('http')) process.exit(0);

const request = option('--cert') === undefined ? plain : tls;
// Its own certificate names a public host, and this connection never leaves the container.
const at = { host: '127.0.0.1', port: option('--port') ?? 8808, path: '/readyz', rejectUnauthorized: false, timeout: 4000 };
request(at, ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1))
  .on('error', () => process.exit(1))
  .on('timeout', () => process.exit(1))
  .end();
