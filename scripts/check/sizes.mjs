// Small files in small folders, so that a reader finds what to open by its name.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const MAX_LINES = 300;
const MAX_FILES = 20;
/** Folders whose files are counted by lines. Tests are not: a table of cases is easier to read whole. */
const PLACES = ['src', 'scripts'];
const SOURCE = /\.(ts|mjs|css|html)$/;

/** @param root folder that contains src/ @returns what is wrong, a line each; empty: nothing */
export function checkSizes(root) {
  const files = PLACES.filter((place) => existsSync(join(root, place)))
    .flatMap((place) => readdirSync(join(root, place), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort();
  return [...longFiles(root, files), ...fullFolders(files)];
}

function longFiles(root, files) {
  return files
    .filter((file) => SOURCE.test(file))
    .map((file) => ({ file, lines: readFileSync(join(root, file), 'utf8').split('\n').length - 1 }))
    .filter(({ lines }) => lines > MAX_LINES)
    .map(({ file, lines }) => `${file}: ${lines} lines -> at most ${MAX_LINES}: move a part of it into a file of its own`);
}

function fullFolders(files) {
  const counts = new Map();
  for (const file of files.filter((one) => one.startsWith('src/'))) counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1);
  return [...counts]
    .filter(([, count]) => count > MAX_FILES)
    .map(([folder, count]) => `${folder}: ${count} files -> at most ${MAX_FILES}: sort them into folders`);
}
