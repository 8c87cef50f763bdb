// Import directions between layers, and no cycles, not even by types alone.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

/** The layers below src/ and what each may import; docs/architecture.md says why. The only place where this is written. */
export const LAYERS = {
  core: [],
  audit: ['core'],
  proxmox: ['core'],
  store: ['core'],
  config: ['core'],
  render: ['core'],
  operations: ['proxmox', 'core'],
  engine: ['operations', 'proxmox', 'store', 'audit', 'render', 'core'],
  mcp: ['engine', 'render', 'operations', 'core'],
  console: ['engine', 'audit', 'render', 'operations', 'core'],
  http: ['mcp', 'console', 'engine', 'operations', 'proxmox', 'store', 'render', 'core'],
  telemetry: ['core'],
  simulator: [],
  cli: ['http', 'mcp', 'console', 'config', 'engine', 'render', 'operations', 'proxmox', 'store', 'audit', 'telemetry', 'core'],
};
/** Single files that may import more than their layer. */
const EXCEPTIONS = { 'cli/lib/simulator.ts': ['simulator'] };
const IMPORT =
  /(?:^|\n)\s*(?:import|export)\b[^;'"]*?from\s*['"](\.[^'"]+)['"]|import\(\s*['"](\.[^'"]+)['"]|(?:^|\n)\s*import\s*['"](\.[^'"]+)['"]/g;

/** @param root folder that contains src/ @returns what is wrong, a line each; empty: nothing */
export function checkImports(root) {
  const src = join(root, 'src');
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .sort();
  const graph = new Map(files.map((file) => [file, importsOf(src, file)]));
  return [...forbidden(graph), ...cycles(graph)];
}

/** @param folder that the paths are relative to @param leftOut statements that do not count @returns the files that a file imports */
export function importsOf(folder, file, leftOut = /$^/g) {
  const text = readFileSync(join(folder, file), 'utf8')
    .replaceAll(/\/\*.*?\*\/|(?<=^|\s)\/\/[^\n]*/gs, '')
    .replaceAll(leftOut, '');
  const found = [...text.matchAll(IMPORT)].map(([, one, two, three]) => one ?? two ?? three);
  return [...new Set(found.map((path) => relative(folder, resolve(dirname(join(folder, file)), path))))];
}

function forbidden(graph) {
  const wrong = [];
  for (const [file, targets] of graph) {
    const layer = file.split('/')[0];
    // Files directly below src/ belong to no layer.
    if (!file.includes('/')) continue;
    const allowed = LAYERS[layer];
    if (!allowed) wrong.push(`src/${file}: there is no layer ${layer}`);
    for (const target of targets) {
      const other = target.split('/')[0];
      if (target.startsWith('..') || !target.includes('/') || other === layer) continue;
      if (!allowed?.includes(other) && !EXCEPTIONS[file]?.includes(other)) wrong.push(`src/${file} must not import src/${target}`);
    }
  }
  return wrong;
}

/** Tarjan's strongly connected components; each with more than one file is a cycle. */
function cycles(graph) {
  const index = new Map();
  const low = new Map();
  const stack = [];
  const found = [];
  function visit(file) {
    index.set(file, index.size);
    low.set(file, index.get(file));
    stack.push(file);
    for (const target of graph.get(file) ?? []) {
      if (!graph.has(target)) continue;
      if (!index.has(target)) {
        visit(target);
        low.set(file, Math.min(low.get(file), low.get(target)));
      } else if (stack.includes(target)) low.set(file, Math.min(low.get(file), index.get(target)));
    }
    if (low.get(file) !== index.get(file)) return;
    const group = stack.splice(stack.indexOf(file));
    if (group.length > 1 || graph.get(file)?.includes(file)) found.push(`import cycle: ${group.map((one) => `src/${one}`).join(', ')}`);
  }
  for (const file of graph.keys()) if (!index.has(file)) visit(file);
  return found;
}
