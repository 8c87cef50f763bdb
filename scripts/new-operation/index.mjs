// A new operation that works and passes every test over all operations: its file, its test, its two lines in the list, the generated
// documentation.   npm run new-operation -- vm/note-vm
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const here = import.meta.dirname;
const root = join(here, '../..');
const [folder, name] = /^([a-z]+)\/([a-z]+(?:-[a-z]+)+)$/.exec(process.argv[2] ?? '')?.slice(1) ?? [];
if (folder === undefined || !existsSync(join(root, 'src/operations', folder)))
  stop(`"${process.argv[2] ?? ''}" is not FOLDER/VERB-NOUN. Name a folder of src/operations, for example vm/note-vm.`);

const source = join('src/operations', folder, `${name}.ts`);
const tests = join('tests/operations', folder, `${name}.test.ts`);
for (const file of [source, tests]) if (existsSync(join(root, file))) stop(`${file} exists already. Choose another name.`);

const words = {
  tool: name.replaceAll('-', '_'),
  constant: name.replace(/-(.)/g, (_, letter) => letter.toUpperCase()),
  title: `${name[0].toUpperCase()}${name.slice(1).replaceAll('-', ' ')}`,
  lib: folder === 'vm' ? './lib' : '../vm/lib',
  tests,
};
for (const [file, template] of [
  [source, 'operation.ts.txt'],
  [tests, 'test.ts.txt'],
]) {
  const text = readFileSync(join(here, template), 'utf8').replace(/\{\{(\w+)\}\}/g, (_, word) => words[word]);
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), text);
}
list();
for (const args of [
  ['scripts/build.mjs', '--keep'],
  ['dist/docs.js', '--write'],
])
  execFileSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
console.log(`Wrote ${source} and ${tests}, and the documentation.`);
console.log(
  `Next: replace what it does, then run \`npx vitest run ${tests} tests/operations/rules.test.ts tests/mcp/tools.test.ts\` and \`npm run docs\`.`,
);

/** Its import, in the order of paths, and its place after the last operation that changes guests. */
function list() {
  const file = join(root, 'src/operations/index.ts');
  const lines = readFileSync(file, 'utf8').split('\n');
  const pathOf = (line) => /from '(.*)'/.exec(line)[1];
  const imports = lines.filter((line) => line.startsWith('import '));
  const rest = lines.slice(imports.length).join('\n');
  imports.push(`import { ${words.constant} } from './${folder}/${name}.ts';`);
  imports.sort((a, b) => (pathOf(a) < pathOf(b) ? -1 : 1));
  writeFileSync(file, `${imports.join('\n')}\n${rest.replace('  deleteVm,\n', `  deleteVm,\n  ${words.constant},\n`)}`);
}

function stop(message) {
  console.error(message);
  process.exit(2);
}
