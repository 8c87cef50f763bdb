import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The order of the pages. A page of docs/ that stands in no section is listed in the last one. */
const SECTIONS = {
  Tutorial: ['docs/tutorial/ten-minutes.md'],
  'How to': [
    'docs/how-to/connect-a-client.md',
    'docs/how-to/token.md',
    'docs/how-to/approvals-in-practice.md',
    'docs/how-to/two-people.md',
    'docs/how-to/console-over-ssh.md',
    'docs/how-to/replicas.md',
    'docs/how-to/back-up-state.md',
    'docs/clusters.md',
    'docs/how-to/troubleshoot.md',
    'docs/how-to/uninstall.md',
    'docs/deployment.md',
  ],
  Reference: [
    'docs/tools.md',
    'docs/resources.md',
    'docs/configuration.md',
    'docs/errors.md',
    'docs/rights.md',
    'docs/approvals.md',
    'docs/console.md',
    'docs/SKILL.md',
    'docs/api-methods.md',
    'docs/simulator.md',
    'docs/glossary.md',
  ],
  Explanation: [
    'docs/explanation/why-plans.md',
    'docs/security.md',
    'docs/explanation/limits.md',
    'docs/explanation/comparison.md',
    'docs/architecture.md',
    'docs/benchmarks.md',
    'docs/evals.md',
    'docs/tested-against.md',
    'docs/decisions/README.md',
  ],
  Project: ['CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'SUPPORT.md', 'docs/releasing.md'],
};
const HOME = 'docs/index.md';
/** Its links are checked; the site has a first page of its own. */
const CHECKED_ONLY = 'README.md';

/** @returns every page `{ file, path, section, text }`; without `path` it is checked and not shown */
export function readPages(root) {
  const found = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name.replaceAll('\\', '/')}`)
    .sort();
  const placed = Object.entries(SECTIONS).flatMap(([section, files]) => files.map((file) => ({ file, section })));
  const isPlaced = (file) => file === HOME || placed.some((page) => page.file === file);
  const rest = found.filter((file) => !isPlaced(file)).map((file) => ({ file, section: sectionOf(file) }));
  return [{ file: HOME }, ...placed, ...rest, { file: CHECKED_ONLY }].map(({ file, section }) => ({
    file,
    section,
    path: file === CHECKED_ONLY ? undefined : pathOf(file),
    text: readFileSync(join(root, file), 'utf8'),
  }));
}

/** Records of decisions are reached from their own list. */
const sectionOf = (file) => (file.startsWith('docs/decisions/') ? undefined : 'Project');

const pathOf = (file) =>
  file
    .replace(/^docs\//, '')
    .replace(/README\.md$/, 'index.md')
    .replace(/\.md$/, '.html')
    .toLowerCase();

/** @returns `[section, pages]` in order */
export function navigation(pages) {
  return Object.keys(SECTIONS).map((section) => [section, pages.filter((page) => page.section === section)]);
}
