// The embedded cluster inside this process, so that its requests can be counted, and a client of it without any product in between.
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import esbuild from 'esbuild';
import { Agent, request } from 'undici';

/** A folder inside the repository, because what is built there needs its node_modules. */
export function workFolder(root) {
  const base = join(root, 'node_modules/.cache');
  mkdirSync(base, { recursive: true });
  const folder = mkdtempSync(join(base, 'bench-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Bundles a file as the product is bundled; answers the path of the result. */
export async function bundle(root, entry, folder, name) {
  const outfile = join(folder, `${name}.mjs`);
  const banner = { js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);" };
  const format = { bundle: true, format: 'esm', platform: 'node', target: 'node20.19', minifyWhitespace: true };
  await esbuild.build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile,
    ...format,
    banner,
    logLevel: 'error',
  });
  return outfile;
}

export async function loadSimulator(root, folder) {
  cpSync(join(root, 'src/simulator/data'), join(folder, 'data'), { recursive: true });
  return import(pathToFileURL(await bundle(root, 'src/simulator/index.ts', folder, 'simulator')).href);
}

/** Starts a cluster and answers how the product reaches it, a raw client, and what was requested so far. */
export async function openCluster({ startSimulator }, folder, name, seed) {
  const requests = [];
  const simulator = await startSimulator({
    file: join(folder, `${name}.sqlite`),
    ...(seed === undefined ? {} : { seed }),
    timeScale: 0.05,
    onRequest: ({ method, path }) => requests.push(`${method} ${path}`),
  });
  const { token, port, url, ca } = simulator;
  const dispatcher = new Agent({ connect: { ca } });
  const headers = { authorization: `PVEAPIToken=${token.id}=${token.secret}` };
  return {
    requests,
    faults: simulator.faults,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: folder,
      PROXMOX_HOST: '127.0.0.1',
      PROXMOX_PORT: String(port),
      PROXMOX_TOKEN_ID: token.id,
      PROXMOX_TOKEN_SECRET: token.secret,
      PROXMOX_FINGERPRINT: simulator.fingerprint,
      PROXMOX_DATA_DIR: join(folder, `${name}-data`),
      PROXMOX_MAX_VMS: '100000',
      PROXMOX_LOG_LEVEL: 'error',
    },
    async get(path) {
      const { body } = await request(`${url}/api2/json${path}`, { dispatcher, headers });
      return (await body.json()).data;
    },
    async close() {
      await dispatcher.close();
      await simulator.close();
    },
  };
}
