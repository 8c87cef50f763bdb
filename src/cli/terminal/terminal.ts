import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { fail } from '../../core/errors/errors.ts';

/** Whether a human sits at this process: they see stderr and what they type arrives on stdin. */
export function hasTerminal(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/** @throws approval_needs_human where no human sits at this process */
export function needTerminal(message: string, hint = 'Run the command yourself in a terminal.'): void {
  if (!hasTerminal()) fail('approval_needs_human', message, { hint });
}

/** Asks for one line. Ctrl-C and the end of the input are an empty answer, which is never a yes. */
export function ask(prompt: string): Promise<string> {
  return line(process.stderr, prompt);
}

/** The same for a secret: what is typed is not shown. */
export async function askHidden(prompt: string): Promise<string> {
  process.stderr.write(prompt);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  return line(silent, '').finally(() => process.stderr.write('\n'));
}

async function line(output: Writable, prompt: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output, terminal: true });
  try {
    return await new Promise<string>((resolve) => {
      lines.once('close', () => resolve(''));
      lines.once('SIGINT', () => resolve(''));
      lines.question(prompt).then(resolve, () => resolve(''));
    });
  } finally {
    lines.close();
  }
}

/** Everything that comes on standard input, without the line's end. */
export async function piped(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) text += String(chunk);
  return text.replace(/\r?\n$/, '');
}
