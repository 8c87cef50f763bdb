const BROKEN = 'the answer breaks the rules of HTTP/1.1';

/** An answer that the parser takes and that no request of ours allows. */
export class Garbled extends Error {
  constructor(reason = BROKEN) {
    super(reason);
  }
}

/**
 * The fault of an answer that breaks the rules of HTTP, so that asking again leads nowhere; undefined for a connection that broke.
 * @param causes of the failed exchange
 */
export function garbledReason(causes: readonly Error[]): string | undefined {
  for (const cause of causes) {
    if (cause instanceof Garbled) return cause.message;
    const code = String((cause as { code?: unknown }).code);
    // Node's parser. An answer that ends too early is a connection that broke.
    if (code.startsWith('HPE_') && code !== 'HPE_INVALID_EOF_STATE') return BROKEN;
    if (code.startsWith('Z_')) return 'the answer cannot be unpacked';
  }
  return undefined;
}
