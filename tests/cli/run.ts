import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { binary } from '../helpers/binary.ts';

export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
  /** stdout as JSON. */
  json: unknown;
}

/** A home folder of its own, in which the shipped binary runs with nothing of the developer's settings. */
export function home(variables: Record<string, string> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'proxmox-mcp-cli-'));
  const env = { PATH: process.env.PATH ?? '', HOME: folder, NO_COLOR: '1', LANG: 'C.UTF-8', ...variables };

  function start(command: string, args: string[], more: Record<string, string> = {}) {
    return spawn(command, args, { env: { ...env, ...more }, cwd: folder });
  }

  async function finish(child: ReturnType<typeof start>, input: string): Promise<Ran> {
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => (stdout += chunk));
    child.stderr.on('data', (chunk) => (stderr += chunk));
    child.stdin.end(input);
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return {
      code,
      stdout,
      stderr,
      get json() {
        return JSON.parse(stdout);
      },
    };
  }

  return {
    folder,
    env,
    run: (args: string[], more: Record<string, string> = {}, input = '', cli = binary()) =>
      finish(start(process.execPath, [cli, ...args], more), input),
    /** Runs on a pseudo terminal; `answer` is typed once `when` was shown. Everything that was shown is in stdout. */
    async runOnTerminal(
      args: string[],
      { when, answer }: { when: RegExp; answer: string },
      more: Record<string, string> = {},
    ): Promise<Ran> {
      const words = [process.execPath, binary(), ...args].map((word) => `'${word}'`).join(' ');
      const child = start('script', ['-qec', words, '/dev/null'], more);
      let shown = '';
      let typed = false;
      child.stdout.on('data', (chunk) => {
        shown += chunk;
        if (typed || !when.test(shown)) return;
        typed = true;
        child.stdin.write(`${answer}\n`);
      });
      const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
      return { code, stdout: shown, stderr: '', json: undefined };
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
