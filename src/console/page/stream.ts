import { request } from './api.ts';

interface StreamHandlers {
  onEvent: (event: string, data: unknown) => void;
  onState: (state: 'live' | 'lost' | 'signed_out') => void;
}

/** The server sends an event about every second, so silence means a lost connection. */
const SILENCE_MS = 12_000;
const RETRY_MS = [500, 1000, 2000, 4000];

/** Follows the live events for as long as the page is open, and reconnects after every interruption. */
export async function follow({ onEvent, onState }: StreamHandlers): Promise<void> {
  for (let failures = 0; ; failures += 1) {
    const ended = await once(
      (event, data) => {
        failures = 0;
        onEvent(event, data);
      },
      () => onState('live'),
    );
    if (ended === 'signed_out') return onState('signed_out');
    onState('lost');
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]));
  }
}

async function once(onEvent: StreamHandlers['onEvent'], onOpen: () => void): Promise<'lost' | 'signed_out'> {
  const silence = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), SILENCE_MS);
  };
  try {
    heard();
    const response = await request('live', { signal: silence.signal });
    if (response.status === 401) return 'signed_out';
    if (!response.ok || !response.body) return 'lost';
    onOpen();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return 'lost';
      heard();
      const blocks = (rest + value).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const [, event = '', data = '{}'] = /^event: (.*)\ndata: (.*)$/s.exec(block) ?? [];
        if (event === 'signed_out') return 'signed_out';
        onEvent(event, JSON.parse(data));
      }
    }
  } catch {
    return 'lost';
  } finally {
    clearTimeout(timer);
    silence.abort();
  }
}
