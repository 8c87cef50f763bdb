import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a model does in a turn: it speaks, or it calls a tool with arguments made from the newest result. */
export type Move = { say: string } | { tool: string; args: (result: Record<string, unknown>) => object };

/** A model on loopback that plays its moves, in the dialect that is asked for; it records every body and header. */
export async function startEndpoint(moves: Move[], refusals: number[] = []) {
  const bodies: Record<string, unknown>[] = [];
  const headers: IncomingMessage['headers'][] = [];
  let at = 0;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, unknown>;
    bodies.push(body);
    headers.push(request.headers);
    const refusal = refusals.shift();
    if (refusal !== undefined) return void response.writeHead(refusal).end('refused');
    const move = moves[at++] ?? { say: 'Done.' };
    const isAnthropic = request.url?.endsWith('/messages') === true;
    const result = newestResult(body.messages as Message[]);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(isAnthropic ? asAnthropic(move, result, at) : asOpenAi(move, result, at)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  return { base, bodies, headers, close: () => new Promise((resolve) => server.close(resolve)) };
}

interface Message {
  role: string;
  content: string | { type: string; content?: string }[];
}

function newestResult(messages: Message[]): Record<string, unknown> {
  const texts = messages.flatMap(({ role, content }) => {
    if (role === 'tool') return [content as string];
    return Array.isArray(content) ? content.filter(({ type }) => type === 'tool_result').map((block) => block.content ?? '') : [];
  });
  return JSON.parse(texts.at(-1) ?? '{}') as Record<string, unknown>;
}

function asOpenAi(move: Move, result: Record<string, unknown>, at: number) {
  const message =
    'say' in move
      ? { role: 'assistant', content: move.say }
      : {
          ...{ role: 'assistant', content: null },
          tool_calls: [{ id: `call_${at}`, type: 'function', function: { name: move.tool, arguments: JSON.stringify(move.args(result)) } }],
        };
  return { choices: [{ message }], usage: { total_tokens: 100 } };
}

function asAnthropic(move: Move, result: Record<string, unknown>, at: number) {
  const block =
    'say' in move ? { type: 'text', text: move.say } : { type: 'tool_use', id: `call_${at}`, name: move.tool, input: move.args(result) };
  return { content: [block], usage: { input_tokens: 70, output_tokens: 30 } };
}
