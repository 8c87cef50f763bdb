/**
 * A request and the JSON of its body. The SDK takes the value, and reads and parses no copy of the body for each of its decisions. A body
 * that is not JSON is left in the request, for the SDK to refuse.
 */
export async function withJson(request: Request): Promise<{ request: Request; body?: unknown }> {
  if (request.method !== 'POST') return { request };
  const text = await request.text();
  try {
    return { request, body: JSON.parse(text) };
  } catch {
    const { url, method, headers, signal } = request;
    return { request: new Request(url, { method, headers, signal, body: text }) };
  }
}
