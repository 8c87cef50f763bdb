// Control characters, bidi overrides and isolates, zero-width and other invisible format characters, line and paragraph separators:
// none of them may change what a human reads.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\u2028\u2029\u115F\u1160\u3164\uFFA0]/gu;
// Combining marks stacked on one letter paint over the lines around it.
const STACKED_MARKS = /(\p{M}{2})\p{M}+/gu;

/**
 * Text that comes from guests, agents or Proxmox as one harmless line: no control or format characters, no line breaks, capped.
 * @param max characters kept; the rest becomes an ellipsis with the number of characters left out
 */
export function plainText(text: string, max = 200): string {
  const line = text
    .replace(/[\r\n\t]+/g, ' ')
    .replace(INVISIBLE, '')
    .replace(STACKED_MARKS, '$1')
    .trim();
  const characters = [...line];
  return characters.length <= max ? line : `${characters.slice(0, max).join('')}… (${characters.length - max} more characters)`;
}
