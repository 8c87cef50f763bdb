import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../e2e/harness.ts';
import { binary } from '../helpers/binary.ts';
import { type Postgres, startPostgres } from '../helpers/postgres.ts';

export interface Sent {
  method: string;
  path: string;
  params: Record<string, string>;
  mutating: boolean;
}

/** Three replicas of the shipped binary behind the nginx of deploy/, on one PostgreSQL, in front of one Proxmox. */
export interface Deployment {
  url: string;
  postgres: Postgres;
  auditFiles: string[];
  /** Everything that Proxmox was asked. */
  requests(): Promise<Sent[]>;
  /** The guests as Proxmox has them, without templates. */
  guests(): Promise<{ vmid: number; name: string }[]>;
  /** `SIGKILL`: like a power cut. */
  end(replica: number, signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  begin(replica: number): Promise<void>;
  close(): Promise<void>;
}

const NAMES = ['a', 'b', 'c'];

/**
 * @param env settings of all replicas
 * @param prepare makes the first token: without one no replica starts behind a proxy
 */
export async function deploy(env: Record<string, string>, prepare: (databaseUrl: string) => Promise<void>): Promise<Deployment> {
  const folder = mkdtempSync(join(tmpdir(), 'nginx-'));
  const postgres = await startPostgres();
  await prepare(postgres.url);
  const children = new Set<ChildProcess>();
  const start = (command: string, args: string[], more: Record<string, string>, said: RegExp) =>
    new Promise<{ child: ChildProcess; output: string }>((resolve, reject) => {
      const child = spawn(command, args, {
        env: { PATH: process.env.PATH ?? '', HOME: folder, ...more },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      children.add(child);
      let output = '';
      const hear = (chunk: Buffer) => {
        output += chunk;
        if (said.test(output)) resolve({ child, output });
      };
      child.stdout.on('data', hear);
      child.stderr.on('data', hear);
      child.once('exit', (code) => {
        children.delete(child);
        reject(new Error(`${command} ended with ${code}: ${output}`));
      });
    });

  const { output } = await start(
    process.execPath,
    [binary(), 'demo', '--serve', '0'],
    { PROXMOX_DATA_DIR: join(folder, 'proxmox') },
    /serving/,
  );
  const proxmox = JSON.parse(output.slice(output.indexOf('{'), output.lastIndexOf('}') + 1)) as {
    url: string;
    port: number;
    token: { id: string; secret: string };
    fingerprint: string;
  };
  const [front, ...ports] = await freePorts(4);
  const url = `http://127.0.0.1:${front}`;
  const key = Buffer.alloc(32, 7);
  const replicas: (ChildProcess | undefined)[] = [];
  const begin = async (replica: number) => {
    const dataDir = join(folder, NAMES[replica] ?? '');
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    writeFileSync(join(dataDir, 'secret.key'), key, { mode: 0o600 });
    const settings = {
      PROXMOX_HOST: '127.0.0.1',
      PROXMOX_PORT: String(proxmox.port),
      PROXMOX_TOKEN_ID: proxmox.token.id,
      PROXMOX_TOKEN_SECRET: proxmox.token.secret,
      PROXMOX_FINGERPRINT: proxmox.fingerprint,
      PROXMOX_DATA_DIR: dataDir,
      PROXMOX_DATABASE_URL: postgres.url,
      PROXMOX_HTTP_REPLICA: NAMES[replica] ?? '',
      PROXMOX_HTTP_PUBLIC_URL: url,
      PROXMOX_HTTP_TRUSTED_PROXIES: '127.0.0.1',
      PROXMOX_LOG_LEVEL: 'error',
      ...env,
    };
    replicas[replica] = (
      await start(process.execPath, [binary(), 'http', '--port', String(ports[replica])], settings, /Serving MCP/)
    ).child;
  };

  let tested = readFileSync(join(import.meta.dirname, '../../deploy/nginx.conf'), 'utf8').replace(
    'listen 443 ssl',
    `listen 127.0.0.1:${front}`,
  );
  tested = tested.replace(/^ *ssl_certificate.*$/gm, '').replace('server_name mcp.example.org', 'server_name _');
  for (const [index, name] of NAMES.entries()) tested = tested.replaceAll(`mcp-${name}:8808`, `127.0.0.1:${ports[index]}`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join('\n');
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  writeFileSync(
    join(folder, 'nginx.conf'),
    `${user}\npid ${folder}/nginx.pid;\nerror_log ${folder}/error.log warn;\nevents { worker_connections 4096; }\nhttp {\naccess_log off;\n${temporary}\n${tested}\n}\n`,
  );

  return {
    url: `${url}/mcp`,
    postgres,
    auditFiles: NAMES.map((name) => join(folder, name, 'audit.jsonl')),
    requests: async () => (await ask(proxmox, '/simulator/requests')) as Sent[],
    guests: async () => {
      const { data } = (await ask(proxmox, '/api2/json/cluster/resources?type=vm')) as {
        data: { vmid: number; name: string; template?: number }[];
      };
      return data.filter(({ template }) => !template);
    },
    async end(replica, signal) {
      const child = replicas[replica];
      if (!child) return;
      child.removeAllListeners('exit');
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill(signal);
      await ended;
      children.delete(child);
    },
    begin,
    async close() {
      for (const child of children) {
        child.removeAllListeners('exit');
        const ended = new Promise((resolve) => child.once('exit', resolve));
        // Killed, nginx would leave its workers behind.
        child.kill(child.spawnfile === 'nginx' ? 'SIGTERM' : 'SIGKILL');
        await ended;
      }
      await postgres.stop();
      rmSync(folder, { recursive: true, force: true });
    },
    ...(await startAll()),
  };

  async function startAll(): Promise<object> {
    await Promise.all(NAMES.map((_name, index) => begin(index)));
    const nginx = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf'), '-g', 'daemon off;'], {
      env: { PATH: `${process.env.PATH}:/usr/sbin` },
      stdio: 'ignore',
    });
    children.add(nginx);
    const answers = () =>
      fetch(`${url}/readyz`).then(
        (response) => response.ok,
        () => false,
      );
    await until('nginx answers', answers);
    return {};
  }
}

async function ask({ port, token }: { port: number; token: { id: string; secret: string } }, path: string): Promise<unknown> {
  const { Agent } = await import('undici');
  const response = await fetch(`https://127.0.0.1:${port}${path}`, {
    headers: { authorization: `PVEAPIToken=${token.id}=${token.secret}` },
    dispatcher: new Agent({ connect: { rejectUnauthorized: false } }),
  } as object);
  return response.json();
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
