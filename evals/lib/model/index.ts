import type { Play, Tool } from '../stage.ts';
import { anthropic } from './anthropic.ts';
import { openai } from './openai.ts';

/** One turn of a model: what it says, and the tools it calls. */
export interface Turn {
  text: string;
  calls: { id: string; tool: string; args: object }[];
  tokens: number;
}

/** A conversation with an endpoint, in its dialect. */
interface Chat {
  user(text: string): void;
  result(id: string, answer: object): void;
  /** @throws when the endpoint refuses or cannot be understood */
  turn(): Promise<Turn>;
}

export interface Endpoint {
  /** `https://api.openai.com/v1`, `http://127.0.0.1:11434/v1`, `https://api.anthropic.com/v1/messages` */
  url: string;
  key: string | undefined;
  model: string;
}

export type Dialect = (endpoint: Endpoint, system: string, tools: Tool[]) => Chat;

const MOST_TURNS = 40;
const SYSTEM = `You operate a Proxmox VE cluster for the user through the tools. Work until the request is done or cannot be done, then tell the user the outcome in a few sentences.
Ask only what you cannot find out. The rules of the server:`;

/** A model as an agent. `used` is called with the tokens of each turn. */
export function modelled(endpoint: Endpoint, used: (tokens: number) => void): Play {
  const dialect: Dialect = endpoint.url.replace(/\/$/, '').endsWith('/messages') ? anthropic : openai;
  return async (session) => {
    const { instructions, tools } = await session.offer();
    const chat = dialect(endpoint, `${SYSTEM}\n${instructions}`, tools);
    chat.user(session.prompt);
    for (let turns = 0; turns < MOST_TURNS; turns += 1) {
      const { text, calls, tokens } = await chat.turn();
      used(tokens);
      for (const { id, tool, args } of calls) chat.result(id, await session.call(tool, args));
      if (calls.length > 0) continue;
      const reply = await session.say(text);
      if (reply === undefined) return;
      chat.user(reply);
    }
    throw new Error(`no end after ${MOST_TURNS} turns`);
  };
}

const PATIENCE_MS = 300_000;
const PAUSES_MS = [2_000, 10_000, 30_000];

/** POSTs JSON; waits and repeats where the endpoint is busy. */
export async function post(url: string, headers: Record<string, string>, body: object): Promise<Record<string, unknown>> {
  for (const pause of [...PAUSES_MS, undefined]) {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (answer.ok) return (await answer.json()) as Record<string, unknown>;
    const isBusy = answer.status === 429 || answer.status >= 500;
    const text = (await answer.text()).slice(0, 500);
    if (!isBusy || pause === undefined) throw new Error(`the endpoint answered ${answer.status}: ${text}`);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  throw new Error('unreachable');
}

/** Arguments as a model wrote them; what cannot be read reaches the server as it is, so that the model learns of it. */
export function argumentsOf(text: string): object {
  if (text.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch {}
  return { unreadable: text };
}
