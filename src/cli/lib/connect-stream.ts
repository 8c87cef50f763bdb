import type { FetchLike } from '@modelcontextprotocol/client';

/** How long (ms) what has arrived may take to be read after the stream ended. */
const SETTLE_MS = 200;

/**
 * `fetch` that notices when the stream on which an answer would come is over. The SDK's transport says nothing then when the server dies
 * after it began to answer, and the waiting client would never get an answer.
 * @param onOver told the id of the request; its answer may have been in the stream
 */
export function fetchThatNotices(onOver: (id: string | number) => void): FetchLike {
  return async (url, init) => {
    const response = await fetch(url, init);
    const id = init?.method === 'POST' ? idOf(init.body) : undefined;
    // A refusal is told by the transport.
    if (id === undefined || !response.ok || !response.body) return response;
    const over = () => void setTimeout(() => onOver(id), SETTLE_MS);
    const reader = response.body.getReader();
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (!done) return controller.enqueue(value);
          controller.close();
        } catch (error) {
          controller.error(error);
        }
        over();
      },
      cancel: (reason) => reader.cancel(reason),
    });
    return new Response(body, { status: response.status, statusText: response.statusText, headers: response.headers });
  };
}

function idOf(body: unknown): string | number | undefined {
  if (typeof body !== 'string') return undefined;
  const { id, method } = JSON.parse(body) as { id?: string | number; method?: string };
  return method === undefined ? undefined : id;
}
