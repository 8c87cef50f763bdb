import { AsyncLocalStorage } from 'node:async_hooks';
import { EventEmitter } from 'node:events';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import { dirname, join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { Script } from 'node:vm';
import { binary } from './binary.ts';

// Commands of the shipped bundle in this process: a start of Node costs ten times as much as most commands. The bundle gets a `process` of
// the run's own, so that environment, streams and exit code are those of the run. Signals, locks between processes, working folders and
// crashes are of real processes: tests of these start the binary.

export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
  /** stdout as JSON. */
  json: unknown;
}

/** Once `when` was shown since the answer before, `answer` is typed. */
export interface Answer {
  when: RegExp;
  answer: string;
}

interface Run {
  env: Record<string, string>;
  argv: string[];
  stdin: PassThrough;
  stdout: Writable;
  stderr: Writable;
  signals: EventEmitter;
  end(code: number): void;
}

/** What a timer or socket of a run does after its end still belongs to it. */
const runs = new AsyncLocalStorage<Run>();
function present(): Run {
  const run = runs.getStore();
  if (run === undefined) throw new Error('The bundle runs outside of a command.');
  return run;
}

const ofRun = (name: 'env' | 'argv' | 'stdin' | 'stdout' | 'stderr') => ({ get: () => present()[name] });
const onSignals = (name: 'on' | 'once' | 'off' | 'removeListener') => ({
  value: (event: string, listener: () => void) => present().signals[name](event, listener),
});
const end = (code: number) => present().end(code);
const ownProcess = Object.create(process, {
  ...{ env: ofRun('env'), argv: ofRun('argv'), stdin: ofRun('stdin'), stdout: ofRun('stdout'), stderr: ofRun('stderr') },
  ...{ on: onSignals('on'), once: onSignals('once'), off: onSignals('off'), removeListener: onSignals('removeListener') },
  // The last thing that a command does.
  exitCode: { set: end },
  exit: { value: end },
});
const ownModules: Record<string, unknown> = {
  process: ownProcess,
  os: { ...os, homedir: () => present().env.HOME ?? '/' },
  // The log goes to the number of the stream.
  fs: { ...fs, writeSync: (fd: number, ...rest: [string]) => (fd === 2 ? logged(rest[0]) : fs.writeSync(fd, ...rest)) },
};
function logged(line: string): number {
  present().stderr.write(line);
  return Buffer.byteLength(line);
}

const scripts = new Map<string, Script>();
const modules = new Map<string, { exports: unknown }>();

function load(id: string): unknown {
  if (!id.startsWith('./')) return ownModules[id.replace(/^node:/, '')] ?? createRequire(binary())(id);
  const known = modules.get(id);
  if (known) return known.exports;
  const module = { exports: {} };
  modules.set(id, module);
  return execute(id, module);
}

function execute(id: string, module: { exports: unknown }): unknown {
  const filename = join(dirname(binary()), id);
  const source = () => `(function(exports,require,module,__filename,__dirname,process){${fs.readFileSync(filename, 'utf8')}\n})`;
  const script = scripts.get(id) ?? new Script(source(), { filename });
  scripts.set(id, script);
  script.runInThisContext()(module.exports, load, module, filename, dirname(filename), ownProcess);
  return module.exports;
}

interface Given {
  /** The whole environment. */
  env: Record<string, string>;
  /** Piped into it. */
  input?: string;
  /** Its streams are a terminal, on which these are typed. */
  typed?: readonly Answer[];
}

const LIMIT_MS = 60_000;

/** Commands keep how they write for the one command of their process, so that one runs after another. */
let before: Promise<unknown> = Promise.resolve();

/** Runs one command. What a terminal shows is all in stdout. */
export function command(args: readonly string[], given: Given): Promise<Ran> {
  const ran = before.then(() => start(args, given));
  before = ran.catch(() => {});
  return ran;
}

async function start(args: readonly string[], { env, input = '', typed }: Given): Promise<Ran> {
  const said = { stdout: '', stderr: '' };
  const stdin = new PassThrough();
  const left = [...(typed ?? [])];
  let since = 0;
  const hear = (stream: 'stdout' | 'stderr') =>
    terminalIf(
      typed !== undefined,
      new Writable({
        decodeStrings: false,
        write(chunk, _encoding, done) {
          said[typed ? 'stdout' : stream] += String(chunk);
          const [next] = left;
          if (next?.when.test(said.stdout.slice(since))) {
            since = said.stdout.length;
            left.shift();
            stdin.write(`${next.answer}\n`);
          }
          done();
        },
      }),
    );
  if (typed === undefined) stdin.end(input);
  let limit: NodeJS.Timeout | undefined;
  const code = await new Promise<number>((resolve, reject) => {
    const run: Run = {
      env: { ...env },
      argv: [process.execPath, binary(), ...args],
      stdin: terminalIf(typed !== undefined, stdin),
      stdout: hear('stdout'),
      stderr: hear('stderr'),
      signals: new EventEmitter(),
      end: resolve,
    };
    // A server that should have refused to start. The commands after it get their turn.
    limit = setTimeout(() => {
      run.signals.emit('SIGTERM');
      reject(new Error(`${args.join(' ')}: did not end within ${LIMIT_MS} ms. stderr: ${said.stderr}`));
    }, LIMIT_MS);
    // Each run makes the parser anew; all else of the bundle stays loaded.
    runs.run(run, () => execute('./main.js', { exports: {} }));
  }).finally(() => clearTimeout(limit));
  return {
    code,
    ...said,
    get json() {
      return JSON.parse(said.stdout);
    },
  };
}

function terminalIf<T extends object>(isTerminal: boolean, stream: T): T {
  return isTerminal ? Object.assign(stream, { isTTY: true }) : stream;
}
