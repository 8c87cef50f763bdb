/** Interim answers that no request of ours allows, by undici's words. */
const UNASKED: Record<string, string> = {
  'bad upgrade': 'the server switches protocols (101) without being asked to',
  'bad response': 'the server asks for a body (100) that it has already',
};

/**
 * The fault of an answer that breaks the rules of HTTP, so that asking again leads nowhere; undefined for a connection that broke.
 * @param causes of what fetch threw
 */
export function garbledReason(causes: readonly Error[]): string | undefined {
  for (const cause of causes) {
    const { name, message } = cause;
    const code = String((cause as { code?: unknown }).code);
    if (code === 'UND_ERR_SOCKET' && UNASKED[message]) return UNASKED[message];
    // An assertion of the HTTP client speaks of its own source: its words help no reader.
    if (name === 'HTTPParserError' || code === 'ERR_ASSERTION' || code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH')
      return 'the answer breaks the rules of HTTP/1.1';
    if (code.startsWith('Z_')) return 'the answer cannot be unpacked';
  }
  return undefined;
}
