import fc from 'fast-check';
import { expect, test } from 'vitest';
import { roughTokens } from '../../../src/core/text/tokens.ts';

/** The rule in the words of regular expressions: pieces of one kind, and how much of each kind one token holds. */
function byPieces(text: string): number {
  let count = 0;
  for (const [piece] of text.matchAll(/[A-Za-z]+|\d+|\s+|[^\sA-Za-z\d]+/g)) {
    if (/^[A-Za-z]/.test(piece)) count += Math.ceil(piece.length / 6);
    else if (/^\d/.test(piece)) count += Math.ceil(piece.length / 3);
    else if (/^\s/.test(piece)) count += piece.length > 1 ? 1 : 0.2;
    else count += Math.ceil(Buffer.byteLength(piece) / 2.5);
  }
  return Math.ceil(count);
}

test('a text is counted by its pieces, whatever its script', () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.json(), fc.lorem());
  const check = (one: string) => {
    expect(roughTokens(one)).toBe(byPieces(one));
  };
  fc.assert(fc.property(text, check));
});
