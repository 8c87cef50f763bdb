import { Client, SdkHttpError, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

/** How a call ended, as its agent can tell. */
type Ending =
  /** Done, or an answer such as `approval_required` or `running`. */
  | 'answered'
  /** An error of the catalogue: it says who acts and the next step. */
  | 'refused'
  /** The way to the server failed, and the words that came say whether the call may be repeated. */
  | 'lost, with advice'
  /** The client's own clock ran out: the official client of older protocols says nothing when the stream of its answer is cut. */
  | 'timed out'
  /** The answer had begun and was cut off by the death of its replica, which can say nothing any more. */
  | 'cut off'
  | 'lost, without a word';

export interface Outcome {
  tool: string;
  ending: Ending;
  code?: string;
  text: string;
  ms: number;
}

/** Numbers from a seed, so that a run can be repeated. */
export function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Far longer than any call takes, also on a slow machine: the servers of this test answer changes after 21 s, whatever they wait for. */
const TIMEOUT_MS = 120_000;
/** For clients whose library waits in silence once the stream of its answer is cut: one such wait is expected, so it is not drawn out. */
const OLDER_TIMEOUT_MS = 60_000;
const ADVICE = /safe to repeat|is safe|nothing was done|look with get_task|initialize again|try again/i;

/** One agent with a token of its own; every fourth one speaks the older protocol, with a session. */
export class LoadAgent {
  readonly approvals = new Set<string>();
  readonly outcomes: Outcome[] = [];
  private client: Client | undefined;
  private readonly url: string;
  private readonly token: string;
  readonly older: boolean;

  constructor(url: string, token: string, older: boolean) {
    this.url = url;
    this.token = token;
    this.older = older;
  }

  async call(tool: string, args: Record<string, unknown> = {}): Promise<Record<string, unknown> | undefined> {
    const began = performance.now();
    const note = (ending: Ending, text: string, code?: string) => {
      this.outcomes.push({ tool, ending, text, ms: performance.now() - began, ...(code === undefined ? {} : { code }) });
    };
    try {
      this.client ??= await this.connect();
      const result = await this.client.callTool({ name: tool, arguments: args }, { timeout: this.older ? OLDER_TIMEOUT_MS : TIMEOUT_MS });
      const data = result.structuredContent as Record<string, unknown> & { error?: { code: string; message: string; hint: string } };
      if (data.error) note('refused', `${data.error.message} ${data.error.hint}`, data.error.code);
      else note('answered', '');
      if (typeof data.approval_id === 'string') this.approvals.add(data.approval_id);
      return data;
    } catch (error) {
      const words = error instanceof SdkHttpError ? `${error.data.status} ${error.data.text}` : String((error as Error).message);
      note(
        ADVICE.test(words)
          ? 'lost, with advice'
          : /Request timed out/.test(words)
            ? 'timed out'
            : words === 'terminated'
              ? 'cut off'
              : 'lost, without a word',
        words,
      );
      await this.client?.close().catch(() => {});
      this.client = undefined;
      return undefined;
    }
  }

  async close(): Promise<void> {
    await this.client?.close().catch(() => {});
  }

  private async connect(): Promise<Client> {
    const client = new Client({ name: 'load', version: '1' }, this.older ? {} : { versionNegotiation: { mode: { pin: '2026-07-28' } } });
    const headers = { authorization: `Bearer ${this.token}` };
    await client.connect(new StreamableHTTPClientTransport(new URL(this.url), { requestInit: { headers } }));
    return client;
  }
}
