import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, realpathSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export const ROOT = join(import.meta.dirname, '../..');
const CACHE = join(ROOT, 'node_modules/.cache/release');
const platform = process.platform === 'win32' ? 'win' : process.platform;

/** A program from the npm registry, downloaded once. @returns its folder */
function downloaded(name: string, version: string): string {
  const prefix = join(CACHE, `${name}-${version}`);
  const folder = join(prefix, 'node_modules', name);
  if (!existsSync(folder)) {
    mkdirSync(prefix, { recursive: true });
    const args = ['install', '--prefix', prefix, '--ignore-scripts', '--no-save', '--silent', `${name}@${version}`];
    execFileSync('npm', args, { stdio: 'inherit', shell: process.platform === 'win32' });
  }
  return folder;
}

/** Path of Node of that release. */
export const node = (version: string) =>
  version === process.versions.node ? process.execPath : join(downloaded(`node-${platform}-${process.arch}`, version), 'bin/node');
/** Path of npm's entry file. */
export const npm = (version: string) => join(downloaded('npm', version), 'bin/npm-cli.js');

export interface Ran {
  code: number;
  /** Both streams. */
  output: string;
  stdout: string;
}

/**
 * A machine with one Node and a shell, but without compiler, make, Python and settings of npm.
 * @param nodeFile path of Node
 */
export function bareMachine(nodeFile: string) {
  const home = mkdtempSync(join(tmpdir(), 'release-'));
  const bin = join(home, 'bin');
  mkdirSync(bin);
  symlinkSync(realpathSync('/bin/sh'), join(bin, 'sh'));
  symlinkSync(nodeFile, join(bin, 'node'));
  const registry = execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim();
  const env: Record<string, string> = {
    PATH: bin,
    HOME: home,
    NO_COLOR: '1',
    npm_config_registry: registry,
    npm_config_cache: join(CACHE, 'npm-cache'),
    npm_config_update_notifier: 'false',
    ...(process.env.NODE_EXTRA_CA_CERTS ? { NODE_EXTRA_CA_CERTS: process.env.NODE_EXTRA_CA_CERTS } : {}),
  };
  const run = async (file: string, args: string[], cwd = home): Promise<Ran> => {
    const result = await promisify(execFile)(file, args, { cwd, env, maxBuffer: 2 ** 26 }).then(
      (done) => ({ code: 0, ...done }),
      (error: { code: number; stdout: string; stderr: string }) => error,
    );
    return { code: result.code, stdout: result.stdout, output: `${result.stdout}${result.stderr}` };
  };
  return {
    home,
    env,
    run,
    node: (args: string[], cwd?: string) => run(join(bin, 'node'), args, cwd),
    /** `npm` of that release, with this machine's Node. */
    npm: (version: string, args: string[], cwd?: string) => {
      if (!existsSync(join(bin, 'npm'))) symlinkSync(npm(version), join(bin, 'npm'));
      return run(join(bin, 'node'), [npm(version), ...args], cwd);
    },
  };
}
