import type { ApiMethod } from '../../../proxmox/contract/contract.ts';

/** Words that people use, each with the words of the API. */
const MEANS: Readonly<Record<string, readonly string[]>> = {
  vm: ['qemu'],
  container: ['lxc'],
  ct: ['lxc'],
  backup: ['backup', 'vzdump'],
  permission: ['acl', 'permissions'],
  permissions: ['acl', 'permissions'],
  volume: ['content', 'volume'],
  update: ['put', 'apt', 'update'],
  upgrade: ['apt'],
  package: ['apt'],
  log: ['log', 'syslog', 'journal'],
  temperature: ['smart'],
  create: ['post'],
  add: ['post'],
  new: ['post'],
  change: ['put'],
  set: ['put'],
  edit: ['put'],
  remove: ['delete'],
  delete: ['delete'],
  list: ['get'],
  show: ['get'],
  read: ['get'],
};
const IGNORED = new Set(['a', 'an', 'the', 'of', 'for', 'to', 'in', 'on', 'and', 'all', 'proxmox']);

/** Methods that have every word in their path, as their verb or among their parameters, the best first. */
export function search(methods: readonly ApiMethod[], query: string): ApiMethod[] {
  const words = wordsOf(query).filter((word) => !IGNORED.has(word));
  if (words.length === 0) return [];
  return methods
    .map((method) => ({ method, score: scoreOf(method, words) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || a.method.path.length - b.method.path.length)
    .map(({ method }) => method);
}

/** 0 unless every word fits somewhere. */
function scoreOf({ method, path, parameters }: ApiMethod, words: readonly string[]): number {
  const segments = wordsOf(path);
  const params = wordsOf(Object.keys(parameters).join(' '));
  const scores = words.map((word) => {
    const forms = [word, ...(MEANS[word] ?? []), ...(word.endsWith('s') ? [word.slice(0, -1)] : [])];
    const among = (list: readonly string[]) =>
      forms.some((form) => list.some((one) => one === form || (form.length > 2 && one.startsWith(form))));
    if (segments.some((one) => forms.includes(one))) return 5;
    if (among(segments)) return 4;
    if (forms.includes(method.toLowerCase())) return 2;
    return among(params) ? 1 : 0;
  });
  return scores.includes(0) ? 0 : scores.reduce<number>((sum, one) => sum + one, 0);
}

function wordsOf(text: string): string[] {
  return text
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
}
