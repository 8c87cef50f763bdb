import { expect, it } from 'vitest';
import { withJson } from '../../src/http/body.ts';

const post = (body: string) => new Request('http://localhost/mcp', { method: 'POST', headers: { 'x-one': '1' }, body });

it('reads the JSON of a body once', async () => {
  const { request, body } = await withJson(post('{"id":1}'));
  expect([body, request.bodyUsed]).toEqual([{ id: 1 }, true]);
});

it.each(['{"id":', ''])('leaves a body that is not JSON in the request: %j', async (text) => {
  const { request, body } = await withJson(post(text));
  expect([body, request.method, request.headers.get('x-one'), await request.text()]).toEqual([undefined, 'POST', '1', text]);
});

it('reads nothing of a request that has no body', async () => {
  const asked = new Request('http://localhost/mcp');
  await expect(withJson(asked)).resolves.toEqual({ request: asked });
});
