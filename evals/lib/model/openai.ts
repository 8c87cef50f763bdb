import { argumentsOf, type Dialect, post } from './index.ts';

interface Message {
  content?: string | null;
  tool_calls?: { id: string; function: { name: string; arguments: string } }[];
}

/** `POST …/chat/completions`, as OpenAI and most servers of open models speak it. */
export const openai: Dialect = ({ url, key, model }, system, tools) => {
  const messages: object[] = [{ role: 'system', content: system }];
  const offered = tools.map(({ name, description, inputSchema }) => ({
    type: 'function',
    function: { name, description, parameters: inputSchema },
  }));
  const base = url.replace(/\/$/, '');
  const target = base.endsWith('/chat/completions') ? base : `${base}/chat/completions`;
  return {
    user: (content) => void messages.push({ role: 'user', content }),
    result: (id, answer) => void messages.push({ role: 'tool', tool_call_id: id, content: JSON.stringify(answer) }),
    async turn() {
      const answer = await post(target, key === undefined ? {} : { authorization: `Bearer ${key}` }, { model, messages, tools: offered });
      const message = (answer.choices as { message?: Message }[] | undefined)?.[0]?.message;
      if (message === undefined) throw new Error('the endpoint answered without a message');
      messages.push(message);
      const calls = (message.tool_calls ?? []).map(({ id, function: f }) => ({ id, tool: f.name, args: argumentsOf(f.arguments) }));
      return { text: message.content ?? '', calls, tokens: (answer.usage as { total_tokens?: number } | undefined)?.total_tokens ?? 0 };
    },
  };
};
