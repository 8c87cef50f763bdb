// Records a session on the embedded cluster in a real terminal, and draws it as docs/images/session.svg. Needs `script` of util-linux.
//   node scripts/site/session.mjs
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { draw } from './terminal.mjs';

const root = join(import.meta.dirname, '../..');
const COLUMNS = 100;
/** Lines of one command that are drawn; the others are counted. */
const MOST_LINES = 30;

const folder = mkdtempSync(join(tmpdir(), 'session-'));
const env = { PATH: process.env.PATH, HOME: folder, TERM: 'xterm-256color', LANG: 'C.UTF-8', TZ: 'UTC' };
const lines = [];
try {
  await show(`proxmox-mcp call list_vms --args '{"tag":"web"}' --demo`);
  const asked = await show(`proxmox-mcp call stop_vm --args '{"name":"web2"}' --demo`, { most: 5 });
  await show(`proxmox-mcp approvals approve ${/apr_\w+/.exec(asked)?.[0]} --demo`, { type: /To approve, type: (.+)/ });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const file = process.argv[2] ?? join(root, 'docs/images/session.svg');
writeFileSync(file, draw(lines, COLUMNS));

/** Runs a command as printed and keeps what the terminal shows. @returns that text */
async function show(command, { type, most = MOST_LINES } = {}) {
  const shown = await record(command, type);
  const output = shown.split('\n');
  while (output.at(-1) === '') output.pop();
  lines.push({ kind: 'command', text: `$ ${command}` });
  lines.push(...output.slice(0, most).map((text) => ({ kind: /^> /.test(text) ? 'typed' : 'output', text })));
  if (output.length > most) lines.push({ kind: 'note', text: `… ${output.length - most} more lines` });
  lines.push({ kind: 'output', text: '' });
  return shown;
}

function record(command, type) {
  const started = command.replace(/^proxmox-mcp/, `'${process.execPath}' '${join(root, 'dist/cli.js')}'`);
  const child = spawn('script', ['-qec', `stty cols ${COLUMNS}; exec ${started}`, '/dev/null'], { env });
  let shown = '';
  let typed = false;
  child.stdout.on('data', (chunk) => {
    shown += chunk;
    const text = typed ? undefined : type?.exec(shown)?.[1];
    // The prompt follows the text that asks for the answer.
    if (text === undefined || !/> /.test(shown.slice(shown.indexOf(text)))) return;
    typed = true;
    child.stdin.write(`${plain(text).trim()}\n`);
  });
  return new Promise((resolve) => child.once('close', () => resolve(plain(shown))));
}

/** The text that a terminal keeps: after a carriage return it writes over the line. */
function plain(text) {
  return text
    .replaceAll('\r\n', '\n')
    .split('\n')
    .map(
      (line) =>
        line
          // biome-ignore lint/suspicious/noControlCharactersInRegex: escapes of a terminal
          .split(/\r|\u001b\[1G|\u001b\[K/)
          // biome-ignore lint/suspicious/noControlCharactersInRegex: escapes of a terminal
          .map((part) => part.replaceAll(/\u001b\[[0-9;?]*[A-Za-z]/g, ''))
          .filter((part) => part !== '')
          .at(-1) ?? '',
    )
    .join('\n');
}
