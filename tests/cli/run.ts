import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { binary } from '../helpers/binary.ts';
import { type Answer, command, type Ran } from '../helpers/command.ts';

export type { Ran };

/** A home folder of its own, in which commands of the shipped binary run with nothing of the developer's settings. */
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
    /** In this process; the working folder is that of the tests. */
    run: (args: readonly string[], more: Record<string, string> = {}, input = '') => command(args, { env: { ...env, ...more }, input }),
    /** In this process, which has a terminal. Everything that was shown is in stdout. */
    onTerminal: (args: readonly string[], typed: Answer | Answer[] = [], more: Record<string, string> = {}) =>
      command(args, { env: { ...env, ...more }, typed: [typed].flat() }),
    /** A process of its own, in the home folder, that the caller speaks to and ends. */
    start: (args: readonly string[], more: Record<string, string> = {}) => start(process.execPath, [binary(), ...args], more),
    /** A process of its own, in the home folder. */
    runBinary: (args: readonly string[], more: Record<string, string> = {}, input = '', cli = binary()) =>
      finish(start(process.execPath, [cli, ...args], more), input),
    /** A process of its own, on a pseudo terminal; each `answer` is typed once its `when` was shown, in this order. Everything that was shown is in stdout. */
    async runBinaryOnTerminal(args: readonly string[], dialogue: Answer | Answer[] = [], more: Record<string, string> = {}): Promise<Ran> {
      const words = [process.execPath, binary(), ...args].map((word) => `'${word}'`).join(' ');
      const child = start('script', ['-qec', words, '/dev/null'], more);
      const left = [dialogue].flat();
      let shown = '';
      let since = 0;
      child.stdout.on('data', (chunk) => {
        shown += chunk;
        const [next] = left;
        if (next === undefined || !next.when.test(shown.slice(since))) return;
        since = shown.length;
        left.shift();
        child.stdin.write(`${next.answer}\n`);
      });
      const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
      return { code, stdout: shown, stderr: '', json: undefined };
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
