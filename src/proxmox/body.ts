/** Far above the largest genuine answer: 10,000 guests take 5 MiB. Decoded bytes, so that a small packed body cannot grow without end. */
export const MOST_BYTES = 32 * 2 ** 20;

export class TooLarge extends Error {
  constructor() {
    super(`the answer is larger than ${MOST_BYTES / 2 ** 20} MiB`);
  }
}

/** The decoded body as text. @throws TooLarge, with the connection closed */
export async function bodyOf(response: Response): Promise<string> {
  if (!response.body) return '';
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.byteLength;
    if (bytes > MOST_BYTES) throw new TooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
