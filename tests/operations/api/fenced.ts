/** The JSON between the marks of an answer. */
export function fencedJson(answer: string): unknown {
  return JSON.parse(answer.split('\n').slice(1, -1).join('\n'));
}
