import { type Dialect, post } from './index.ts';

type Block = { type: 'text'; text: string } | { type: 'tool_use'; id: string; name: string; input: object };

const MOST_TOKENS = 4_096;

/** `POST …/v1/messages`. */
export const anthropic: Dialect = ({ url, key, model }, system, tools) => {
  const messages: { role: 'user' | 'assistant'; content: object[] }[] = [];
  const offered = tools.map(({ name, description, inputSchema }) => ({ name, description, input_schema: inputSchema }));
  /** All results of a turn are one message. */
  const asUser = (block: object) => {
    const last = messages.at(-1);
    if (last?.role === 'user') last.content.push(block);
    else messages.push({ role: 'user', content: [block] });
  };
  return {
    user: (text) => asUser({ type: 'text', text }),
    result: (id, answer) => asUser({ type: 'tool_result', tool_use_id: id, content: JSON.stringify(answer) }),
    async turn() {
      const headers = { 'anthropic-version': '2023-06-01', ...(key === undefined ? {} : { 'x-api-key': key }) };
      const answer = await post(url, headers, { model, max_tokens: MOST_TOKENS, system, messages, tools: offered });
      const content = (answer.content ?? []) as Block[];
      messages.push({ role: 'assistant', content });
      const usage = answer.usage as { input_tokens?: number; output_tokens?: number } | undefined;
      return {
        text: content.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('\n'),
        calls: content.flatMap((block) => (block.type === 'tool_use' ? [{ id: block.id, tool: block.name, args: block.input }] : [])),
        tokens: (usage?.input_tokens ?? 0) + (usage?.output_tokens ?? 0),
      };
    },
  };
};
