import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { type Ran, ROOT } from './programs.ts';

interface Step {
  instruction: string;
  rest: string;
}

/** The instructions of the Dockerfile: comments gone, lines that a backslash continues joined. */
export function steps(): Step[] {
  const text = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, ' ');
  return text.split('\n').flatMap((line) => {
    const [, instruction = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    return instruction === '' ? [] : [{ instruction, rest }];
  });
}

/** The files that COPY sees, by git and .dockerignore. */
export function context(tracked: string[]): string[] {
  const lines = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n');
  const patterns = lines.filter((line) => line !== '' && !line.startsWith('#'));
  const fits = (path: string, pattern: string) => path === pattern || path.startsWith(pattern.replace(/\*$/, '').replace(/\/?$/, '/'));
  return tracked.filter((path) => {
    const last = patterns.findLast((pattern) => fits(path, pattern.replace(/^!/, '')));
    return last === undefined || last.startsWith('!');
  });
}

/**
 * Executes COPY and RUN of each stage in a folder that stands for its root.
 * @param folder gets a folder for each stage; the image is `final`
 * @param shell runs a command line in a folder
 */
export async function build(folder: string, files: string[], shell: (command: string, cwd: string) => Promise<Ran>): Promise<Ran[]> {
  const ran: Ran[] = [];
  let root = '';
  let workdir = '/';
  for (const { instruction, rest } of steps()) {
    const inside = (path: string) => join(root, isAbsolute(path) ? path : join(workdir, path));
    if (instruction === 'FROM') {
      root = join(folder, / AS (\S+)$/.exec(rest)?.[1] ?? 'final');
      workdir = '/';
      mkdirSync(root, { recursive: true });
    }
    if (instruction === 'WORKDIR') {
      workdir = rest;
      mkdirSync(inside('.'), { recursive: true });
    }
    if (instruction === 'COPY') {
      const [, stage, source = '', target = ''] = /^(?:--from=(\S+) )?(\S+) (\S+)$/.exec(rest) ?? [];
      const from =
        stage === undefined ? files.map((path) => [join(ROOT, path), path]) : [[join(folder, stage, source), source.split('/').at(-1)]];
      for (const [path = '', name = ''] of from) {
        // COPY of a folder copies its content.
        const to = stage !== undefined && !target.endsWith('/') ? inside(target) : join(inside(target), name);
        mkdirSync(dirname(to), { recursive: true });
        cpSync(path, to, { recursive: true, verbatimSymlinks: true });
      }
    }
    // No user `node` is here, and the root of a stage is a folder.
    if (instruction === 'RUN') ran.push(await shell(rest.replace(/ -[og] node/g, '').replaceAll(' /data', ` ${root}/data`), inside('.')));
  }
  return ran;
}
