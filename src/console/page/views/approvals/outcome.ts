import type { ApprovalView, RunView } from '../../../wire.ts';
import { get } from '../../api.ts';
import { fill, h, words } from '../../dom.ts';
import { fullTime } from '../../format.ts';
import { badge, loading, showProblem, terms } from '../parts.ts';

const HEADLINES: Partial<Record<ApprovalView['status'], { title: string; tone: string; text: string }>> = {
  executing: { title: 'Running', tone: 'info', text: 'The run continues when this page is closed.' },
  succeeded: { title: 'Done', tone: 'good', text: '' },
  failed: { title: 'Failed', tone: 'bad', text: '' },
  unknown: {
    title: 'Outcome unknown',
    tone: 'warn',
    text: 'Check the guest in Proxmox before you do anything else. Nothing was repeated.',
  },
  denied: { title: 'Denied', tone: 'calm', text: 'Nothing was sent.' },
  expired: { title: 'Expired', tone: 'calm', text: 'The approval expired. Nothing was sent.' },
  stale: {
    title: 'Out of date',
    tone: 'warn',
    text: 'The cluster changed since the request. Nothing was sent. The agent must ask again.',
  },
};

/** How it ended, or where it is: who decided, and what became of each request. */
export function outcome(a: ApprovalView): HTMLElement {
  const { title, tone, text } = HEADLINES[a.status] ?? { title: a.status, tone: 'calm', text: '' };
  const run = h('div', { class: 'run' });
  if (a.runId !== undefined && a.status !== 'executing') void load(run, a.runId);
  return h(
    'section',
    { class: `outcome ${tone}` },
    h('h3', {}, title),
    a.status === 'executing' && h('div', { class: 'progress', attrs: { role: 'progressbar', 'aria-label': 'running' } }),
    text !== '' && h('p', {}, text),
    a.note !== undefined && h('p', {}, h('span', { class: 'label' }, a.status === 'denied' ? 'Reason given' : 'Difference'), words(a.note)),
    a.decided && decidedBy(a.decided),
    run,
  );
}

function decidedBy({ at, by, how, verified }: NonNullable<ApprovalView['decided']>): HTMLElement | false {
  if (by === '') return false;
  return h(
    'p',
    { class: 'soft' },
    'Decided by ',
    words(by),
    how !== '' && [', ', verified ? how : badge(how, 'warn')],
    ', ',
    h('time', { attrs: { datetime: at } }, fullTime(at)),
  );
}

/** The end of a run is final, so it is requested once. */
const known = new Map<string, RunView>();

async function load(box: HTMLElement, runId: string): Promise<void> {
  const before = known.get(runId);
  if (before) return fill(box, ...runParts(before));
  fill(box, loading(2));
  try {
    const run = await get<RunView>(`runs/${encodeURIComponent(runId)}`);
    known.set(runId, run);
    fill(box, ...runParts(run));
  } catch (thrown) {
    showProblem(box, thrown, () => void load(box, runId));
  }
}

const STATES: Record<string, string> = { done: 'good', failed: 'bad', unknown: 'warn' };

function runParts({ steps, error, result }: RunView): HTMLElement[] {
  const parts: HTMLElement[] = [];
  if (error) {
    const { message, hint, proxmox } = error;
    parts.push(
      h(
        'div',
        {},
        h('p', { class: 'strong' }, words(message)),
        proxmox !== undefined && h('p', {}, h('span', { class: 'label' }, 'Proxmox says'), words(proxmox, 'mono')),
        h('p', {}, words(hint)),
      ),
    );
  }
  if (steps.length > 0)
    parts.push(
      h(
        'ul',
        { class: 'steps' },
        steps.map(({ id, state, exit }) =>
          h(
            'li',
            {},
            badge(state, STATES[state] ?? 'calm'),
            ' ',
            words(id),
            exit !== undefined && exit !== 'OK' && [' ', words(exit, 'mono soft')],
          ),
        ),
      ),
    );
  if (result.length > 0) parts.push(terms(result, 'plain'));
  return parts;
}
