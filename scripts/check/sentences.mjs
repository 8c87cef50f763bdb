// Rules (a), (e) and (i) of CONTRIBUTING.md: a sentence begins with its subject and has at most 25 words, one of an error has no chain of
// colons or semicolons, and a help text has at most 8 words.

const MOST_WORDS = 25;
const MOST_HELP = 8;
const TOO_LONG = `more than ${MOST_WORDS} words: split it`;
const CLAUSE = 'subject first: "The caller that …", "The text of …"';
const CHAIN = 'a chain of colons or semicolons: write sentences';

/** A command or an option with its help text. */
const HELP = /(?:command\(\w+, '[^']+',|\.description\(|\.(?:requiredOption|option)\('[^']+',)\s*(?:'([^']+)'|"([^"]+)")/g;
/** Texts of errors, settings, tools and help stand behind these. */
const SPOKEN = /\b(?:fail|ProxmoxMcpError|describe|option|argument)\(|\b(?:hint|meaning|description|message|defaultText)\s*:(?!:)/g;
const CLOSING = { '(': ')', '[': ']', '{': '}' };

/** @returns `{ line, text, instead }` for each fault in a Markdown text; code is one word, a cell or an item is a text of its own */
export function faultsInMarkdown(markdown) {
  return blocksOf(markdown).flatMap(({ line, text }) => faultsOf(line, text, { chains: false }));
}

/** @returns the same for the literals of TypeScript in which the product speaks: errors, hints, descriptions */
export function faultsInSource(source) {
  return spokenLiterals(source).flatMap(({ line, text }) => faultsOf(line, text, { chains: true }));
}

function faultsOf(line, text, { chains }) {
  return sentencesOf(text).flatMap((sentence) =>
    [
      wordsIn(sentence) > MOST_WORDS && TOO_LONG,
      /^\W*(Who|What) .*\.\W*$/s.test(sentence) && CLAUSE,
      chains && (sentence.match(/[:;](?= )/g) ?? []).length > 1 && CHAIN,
    ]
      .filter(Boolean)
      .map((instead) => ({ line, text: startOf(sentence), instead })),
  );
}

/** @returns the same for long help texts of a program by commander; a default or an example in parentheses is not counted */
export function longHelp(source) {
  return [...source.matchAll(HELP)]
    .map(({ 1: single, 2: double, index }) => ({ text: single ?? double, line: source.slice(0, index).split('\n').length }))
    .filter(({ text }) => wordsIn(text.replaceAll(/\([^)]*\)/g, '')) > MOST_HELP)
    .map(({ text, line }) => ({ line, text: `"${text}"`, instead: `an imperative of at most ${MOST_HELP} words` }));
}

/** Paragraphs, list items, headings and table cells, each with the line of its beginning. */
function blocksOf(markdown) {
  const blank = (block) => block.replaceAll(/[^\n]/g, '');
  const lines = markdown
    .replaceAll(/^```.*?^```/gms, blank)
    .replaceAll(/<!--.*?-->/gs, blank)
    .split('\n');
  const blocks = [];
  let open;
  lines.forEach((line, index) => {
    const alone = /^\s*(\||#)/.test(line);
    if (alone || line.trim() === '' || /^\s*([-*]|\d+\.) /.test(line)) open = undefined;
    if (line.trim() === '') return;
    if (alone) blocks.push(...line.split(/(?<!\\)\|/).map((text) => ({ line: index + 1, text })));
    else if (open) open.text += ` ${line}`;
    else {
      open = { line: index + 1, text: line };
      blocks.push(open);
    }
  });
  return blocks.map(({ line, text }) => ({ line, text: text.replaceAll(/\]\([^)]*\)/g, ']') }));
}

function sentencesOf(text) {
  // Code is one word, whatever it holds.
  const bare = text.replaceAll(/`[^`]+`/g, 'X').trim();
  return bare.split(/(?<=[.!?]["”)*_]*)\s+(?=["“`(*_[$]*[\p{Lu}\p{N}])/u);
}

function wordsIn(sentence) {
  return sentence.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word)).length;
}

function startOf(sentence) {
  return `"${sentence.split(/\s+/).slice(0, 6).join(' ')} …"`;
}

/** The literals behind each of SPOKEN up to the end of its value or argument list; an inserted value is one word. */
function spokenLiterals(source) {
  const found = new Map();
  for (const { 0: opening, index } of source.matchAll(SPOKEN)) {
    for (const literal of literalsFrom(source, index + opening.length, opening.endsWith('(') ? 1 : 0)) found.set(literal.at, literal);
  }
  return [...found.values()].map(({ at, text }) => ({ line: source.slice(0, at).split('\n').length, text }));
}

function literalsFrom(source, from, depth) {
  const literals = [];
  let at = from;
  while (at < source.length) {
    const sign = source[at];
    if (/['"`]/.test(sign)) {
      const end = endOfLiteral(source, at);
      literals.push({
        at,
        text: source
          .slice(at + 1, end)
          .replaceAll(/\\(.)/g, '$1')
          .replaceAll(/\$\{(?:[^{}]|\{[^{}]*\})*\}/g, 'X'),
      });
      at = end;
    } else if (sign in CLOSING) depth++;
    else if (/[)\]}]/.test(sign) && --depth <= 0) break;
    else if (/[,;]/.test(sign) && depth === 0) break;
    at++;
  }
  return literals;
}

function endOfLiteral(source, from) {
  const quote = source[from];
  let at = from + 1;
  for (; at < source.length && source[at] !== quote; at++) {
    if (source[at] === '\\') at++;
    else if (quote === '`' && source.startsWith('${', at)) at = endOfInserted(source, at + 2);
  }
  return at;
}

/** The `}` of a `${…}`, which may hold literals of its own. */
function endOfInserted(source, from) {
  let depth = 1;
  let at = from;
  for (; at < source.length; at++) {
    if (/['"`]/.test(source[at])) at = endOfLiteral(source, at);
    else if (source[at] === '{') depth++;
    else if (source[at] === '}' && --depth === 0) break;
  }
  return at;
}
