import type { ApiMethod } from '../../../proxmox/contract/contract.ts';

/** Words of the API, each with the words that people use for it. */
const MEANT_BY: Readonly<Record<string, readonly string[]>> = {
  qemu: ['vm'],
  lxc: ['container', 'ct'],
  vzdump: ['backup'],
  acl: ['permission', 'permissions'],
  permissions: ['permission'],
  content: ['volume'],
  apt: ['update', 'upgrade', 'package'],
  syslog: ['log'],
  journal: ['log'],
  smart: ['temperature'],
  post: ['create', 'add', 'new'],
  put: ['update', 'change', 'set', 'edit'],
  delete: ['remove'],
  get: ['list', 'show', 'read'],
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
    const meant = Object.keys(MEANT_BY).filter((one) => MEANT_BY[one]?.includes(word));
    const forms = [word, ...meant, ...(word.endsWith('s') ? [word.slice(0, -1)] : [])];
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
  return text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
}
