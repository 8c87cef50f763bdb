/** Two words for one thing: the parameters of the first tools kept theirs, later tools and all answers use the plain ones. */
const PAIRS = [
  ['memory', 'memory_mb'],
  ['sshkeys', 'ssh_keys'],
  ['net_bridge', 'bridge'],
  ['target_node', 'node'],
  ['start_on_create', 'start'],
  ['description', 'notes'],
] as const;

const OTHER_WORD = new Map<string, string>(PAIRS.flatMap(([a, b]) => [[a, b] as const, [b, a] as const]));

/**
 * The same arguments under the words that the object declares. A word that it knows itself keeps its meaning, and so does one whose other
 * word is given, too: the schema refuses it then.
 */
export function inWordsOf(shape: object, given: Record<string, unknown>): Record<string, unknown> {
  const isKnown = (word: string | undefined): word is string => word !== undefined && Object.hasOwn(shape, word);
  // Nearly all callers use the words of the schema.
  if (Object.keys(given).every((key) => Object.hasOwn(shape, key) || !OTHER_WORD.has(key))) return given;
  return Object.fromEntries(
    Object.entries(given).map(([key, value]) => {
      const other = OTHER_WORD.get(key);
      return [!isKnown(key) && isKnown(other) && !Object.hasOwn(given, other) ? other : key, value];
    }),
  );
}
