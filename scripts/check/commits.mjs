// Subjects of commits: rule (j) of CONTRIBUTING.md.
import { execFileSync } from 'node:child_process';

const TYPES = ['feat', 'fix', 'perf', 'refactor', 'test', 'docs', 'build', 'ci', 'chore', 'bench', 'revert'];
const MAX_LENGTH = 72;
const SUBJECT = /^(?<type>[a-z]+)(\((?<scope>[a-z0-9][a-z0-9, -]*)\))?!?: (?<what>\S.*)$/;
/** Past tense, progressive and third person of a first word that should be an imperative; not bring, need or address. */
const NOT_IMPERATIVE =
  /^(?!(bring|string|ping|need|feed|seed|embed|shed|speed|exceed|proceed|succeed)$)[a-z]+(ed|ing)$|^(add|allow|avoid|change|fix|make|remove|rename|replace|show|update|use)s$/i;

/** @param subjects first lines of commits @returns what is wrong, a line each */
export function checkSubjects(subjects) {
  return subjects.flatMap((subject) => {
    const { type, what } = SUBJECT.exec(subject)?.groups ?? {};
    const faults = [
      [what === undefined, 'write it as `type(scope): imperative`'],
      [type !== undefined && !TYPES.includes(type), `choose a type of ${TYPES.join(', ')}`],
      [subject.length > MAX_LENGTH, `shorten ${subject.length} characters to ${MAX_LENGTH}`],
      [NOT_IMPERATIVE.test((what ?? '').split(/[ ,]/)[0]), 'begin with an imperative, such as add, fix or say'],
      [/\.$/.test(subject), 'end without a full stop'],
    ];
    return faults.filter(([wrong]) => wrong).map(([, instead]) => `"${subject}": ${instead}`);
  });
}

/** Checks the commits that main lacks, else the newest one. */
export function checkCommits() {
  for (const main of ['origin/main', 'main']) {
    const found = log(`${main}..HEAD`);
    if (found !== undefined && found.length > 0) return checkSubjects(found);
  }
  // A copy without git has no commits.
  return checkSubjects(log('-1', 'HEAD') ?? []);
}

function log(...range) {
  try {
    const text = execFileSync('git', ['log', '--no-merges', '--format=%s', ...range], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return text.split('\n').filter((line) => line !== '');
  } catch {
    return undefined;
  }
}
