import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

interface Suite {
  /** Below tests/. */
  folder: string;
  /** What it needs, for the line that says why it was left out. */
  needs: string;
  present: () => boolean;
}

/** Suites that need a program which `npm ci` does not bring. `.ci/run` installs all of them. */
const SUITES: Suite[] = [
  { folder: 'postgres', needs: 'PostgreSQL (apt-get install postgresql)', present: () => postgresFolder() !== undefined },
  {
    folder: 'nginx',
    needs: 'nginx (apt-get install nginx) and PostgreSQL',
    present: () => onPath('nginx') && postgresFolder() !== undefined,
  },
  { folder: 'browser', needs: 'Chromium (apt-get install chromium)', present: () => onPath('chromium') || onPath('chromium-browser') },
];

/** The suites that this machine cannot run. None with PROXMOX_MCP_TEST_ALL=1: then a missing program is a failure of its suite. */
export function leftOutSuites(): Suite[] {
  if (process.env.PROXMOX_MCP_TEST_ALL === '1') return [];
  return SUITES.filter((suite) => existsSync(join(import.meta.dirname, '..', suite.folder)) && !suite.present());
}

/** Debian keeps initdb and postgres out of the PATH, in a folder for each version; the newest one, if any. */
export function postgresFolder(): string | undefined {
  const base = '/usr/lib/postgresql';
  if (!existsSync(base)) return undefined;
  const versions = readdirSync(base).sort((a, b) => Number(b) - Number(a));
  return versions.map((version) => join(base, version, 'bin')).find((folder) => existsSync(join(folder, 'initdb')));
}

function onPath(program: string): boolean {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'];
  return folders.some((folder) => existsSync(join(folder, program)));
}
