// Plain English: the words and sentences that CONTRIBUTING.md rules out, and what to write instead.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { faultsInMarkdown, faultsInSource, longHelp } from './sentences.mjs';

/** Files and folders below the root that people read. */
const PLACES = ['src', 'docs', 'scripts', 'README.md', 'CHANGELOG.md'];
const READ = /\.(ts|mjs|md|html)$/;
/** The list itself. */
const EXEMPT = ['scripts/check/words.mjs'];

/** Each pattern with the words that replace it: rules (a), (b), (d), (h), (c) and (f) of CONTRIBUTING.md. */
export const WORDS = [
  [/(?<=^\s*(\/\/|\/\*\*|\*) )(Who|What) (?![^?]*\?)/g, 'subject first: "The caller that …", "The text of …"'],
  [/\b(no|some|every|any)body\b/gi, 'name the actor: caller, requester, approver, operator, another process, client'],
  [/\b(some|any|every)one\b|\bno one\b/gi, 'name the actor: caller, requester, approver, operator, another process, client'],
  [/\bwho(m)?ever\b/gi, 'name the actor: "a client that …", "the caller that …"'],
  // "There is no X" is plain English, and so is "no longer".
  [/(?<!\bthere )\b(is|are|was|were) no(?! (longer|more|later|older|earlier|less|different)\b)\b(?! ?[.,;:)])/gi, '"not an X", "not X"'],
  [/(?<!\bthere )\b(is|are|was|were) none\b/gi, '"not one of", "not an X"'],
  [/\b(the|one|only|engine's) doors?\b/gi, 'entry point'],
  [/\bcarr(y|ies|ied|ying)( \w+){0,2} out\b/gi, 'execute'],
  [/\bcom(e|es|ing) to nothing\b/gi, 'fail'],
  [/\banew\b/gi, 'again'],
  [/\b(not|no|none|nothing)\b[^.;:]*\bany more\b/gi, '"no longer"'],
  [/\bout of band\b/gi, '"in a terminal or the console"'],
  [/\bfaces?\b/gi, 'transport (stdio, HTTP, console, command line) or adapter'],
  [/\bverdicts?\b/gi, 'decision'],
  [/\bit does not start\b/gi, '"Refusing to start: …"'],
];

/** @param root folder that contains the places @returns a line for each word found: `file:line: word -> instead`; empty: nothing */
export function checkWords(root) {
  return PLACES.filter((place) => existsSync(join(root, place)))
    .flatMap((place) => filesOf(root, place))
    .filter((file) => READ.test(file) && !EXEMPT.includes(file))
    .sort()
    .flatMap((file) => {
      const text = readFileSync(join(root, file), 'utf8');
      return [...wordsOf(file, text), ...faultsOf(file, text).map(({ line, text, instead }) => `${file}:${line}: ${text} -> ${instead}`)];
    });
}

/** The simulator speaks with the words of Proxmox. */
function faultsOf(file, text) {
  if (file.endsWith('.md')) return faultsInMarkdown(text);
  if (!/^src\/(?!simulator\/).*\.ts$/.test(file)) return [];
  return [...faultsInSource(text), ...(file.startsWith('src/cli/') ? longHelp(text) : [])];
}

function filesOf(root, place) {
  if (statSync(join(root, place)).isFile()) return [place];
  return readdirSync(join(root, place), { recursive: true, encoding: 'utf8' }).map((path) => `${place}/${path}`);
}

function wordsOf(file, text) {
  return text
    .split('\n')
    .flatMap((line, index) =>
      WORDS.flatMap(([pattern, instead]) =>
        [...line.matchAll(pattern)].map(([word]) => `${file}:${index + 1}: ${word.trim()} -> ${instead}`),
      ),
    );
}
