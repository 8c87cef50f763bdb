import { spawn } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import type { Human } from './task.ts';

/** What waits for a decision, as the server showed it to the agent. */
export interface Pending {
  id: string;
  summary: string;
}

/** A person needs longer than a second (ms); sooner it would be the client that answers. */
const READING = 1_050;
/** How long (ms) a command in the terminal may take. */
const PATIENCE_MS = 60_000;
/** How often the human repeats the request to an agent that asks about something else. */
const PATIENCE = 2;

/** The user: reads what is asked, decides by the task's data, and remembers to what the answer was yes. */
export function createHuman(human: Human, { binary, env }: { binary: string; env: Record<string, string> }) {
  const approved = new Set<string>();
  const decided = new Set<string>();
  const replies = [...(human.replies ?? [])];
  let repeated = 0;
  const wants = ({ summary }: Pending) => human.approves?.test(summary) === true;

  const decide = (pending: Pending): boolean => {
    decided.add(pending.id);
    if (wants(pending)) approved.add(pending.id);
    return approved.has(pending.id);
  };

  return {
    /** Approvals that the human said yes to. */
    approved: approved as ReadonlySet<string>,
    /** Answers the form of the client, whose text the server wrote. */
    async fillIn(message: string) {
      const [summary = ''] = message.split('\n');
      const id = /\bapr_\w+/.exec(message)?.[0] ?? '';
      if (decide({ id, summary })) return { action: 'accept' as const, content: { typed: toType(message) ?? '' } };
      return setTimeout(READING, { action: 'decline' as const });
    },
    /** What the human answers to what the agent said; undefined: the conversation is over. */
    async hear(said: string, pending: Pending[]): Promise<string | undefined> {
      const open = pending.filter(({ id }) => !decided.has(id));
      const [asked] = open.filter(({ summary }) => mentions(said, summary));
      if (asked && human.decides === 'terminal') {
        const yes = decide(asked);
        await onTerminal(binary, env, asked.id, yes);
        return yes ? 'I approved it in my terminal.' : 'I denied it in my terminal. Leave it.';
      }
      if (asked && human.decides === 'chat') return decide(asked) ? 'Yes, do exactly that.' : 'No. Leave it as it is.';
      const reply = replies.shift();
      if (reply !== undefined) return reply;
      if (!/\?\s*$/m.test(said) || repeated >= PATIENCE) return undefined;
      repeated += 1;
      return 'Do what I asked for, with what I told you. If that cannot be done, say so.';
    },
  };
}

const toType = (shown: string) => /To approve, type: ([^\r\n]+)/.exec(shown)?.[1];

/** Whether the user can know from these words what would be done: they name a guest or volume of the summary. */
function mentions(said: string, summary: string): boolean {
  const words = summary.match(/[\w:/.-]{3,}/g) ?? [];
  const telling = words.filter((word) => /\d/.test(word) || /[-:/]/.test(word));
  return (telling.length > 0 ? telling : words).some((word) => said.includes(word));
}

/** The command that a human runs in a terminal of their own; they type what the server asks them to. */
function onTerminal(binary: string, env: Record<string, string>, id: string, yes: boolean): Promise<void> {
  const command = [process.execPath, binary, 'approvals', yes ? 'approve' : 'deny', id].map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['-qec', command, '/dev/null'], { env: { ...env, NO_COLOR: '1', LANG: 'C.UTF-8' } });
  let shown = '';
  let typed = false;
  child.stdout.on('data', (chunk) => {
    shown += chunk;
    const mustType = toType(shown);
    if (typed || mustType === undefined || !/does nothing\.[\s\S]*>/.test(shown)) return;
    typed = true;
    child.stdin.write(`${mustType}\n`);
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve());
    setTimeout(PATIENCE_MS, undefined, { ref: false }).then(() => child.kill());
  });
}
