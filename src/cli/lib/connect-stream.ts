import type { FetchLike } from '@modelcontextprotocol/client';

/** Time (ms) to read what has arrived after the stream ended. */
const READ_MS = 200;

/**
 * `fetch` that reports when the stream of an answer ends. The SDK's transport stays silent when the server dies in the middle of an
 * answer, so its client would wait forever.
 * @param onOver gets the id of the request; its answer may have been in the stream
 */
export function fetchThatNotices(onOver: (id: string | number) => void): FetchLike {
  return async (url, init) => {
    const response = await fetch(url, init);
    const id = init?.method === 'POST' ? idOf(init.body) : undefined;
    // The transport itself reports a refusal.
    if (id === undefined || !response.ok || !response.body) return response;
    const over = () => void setTimeout(() => onOver(id), READ_MS);
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
