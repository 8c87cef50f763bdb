import type { Play, Session } from './stage.ts';
import type { Answers, Step, Task } from './task.ts';

/** The agents that play a task's own data: one that does it right, one that only says so, one that makes a likely mistake. */
export const SCRIPTED = ['reference', 'lazy', 'wrong'] as const;
type Scripted = (typeof SCRIPTED)[number];

export function scripted(agent: Scripted, task: Task): Play {
  const steps = { reference: task.reference, lazy: [], wrong: task.wrong }[agent];
  const answer = agent === 'wrong' ? (task.wrongAnswer ?? task.answer) : task.answer;
  return async (session) => {
    const answers: Answers = [];
    for (const step of steps) await take(step, session, answers);
    await session.say(answer);
  };
}

async function take(step: Step, session: Session, answers: Answers): Promise<void> {
  if (!Array.isArray(step)) return void (await session.say(step.say));
  const [tool, given = {}, how] = step;
  const keep = async (name: string, args: object) => {
    const answer = await session.call(name, args);
    answers.unshift(answer);
    return answer;
  };
  const answer = await keep(tool, typeof given === 'function' ? given(answers) : given);
  if (answer.approval_required === true) {
    const approval = { approval_id: answer.approval_id };
    const reply = how === 'unasked' ? 'yes' : await consent(answer, session);
    await keep(/^no\b/i.test(reply) ? 'deny' : 'approve', approval);
  }
  const [last = {}] = answers;
  if (last.status === 'running' && typeof last.run_id === 'string' && last.next !== undefined)
    await keep('get_task', { run_id: last.run_id, wait_seconds: 50 });
}

/** Asks the user in words, unless the client's form or a terminal does that. */
async function consent({ summary, way }: Record<string, unknown>, session: Session): Promise<string> {
  if (way === 'elicitation') return 'yes';
  return (await session.say(`This needs your approval: ${summary}. Shall I?`)) ?? 'no';
}
