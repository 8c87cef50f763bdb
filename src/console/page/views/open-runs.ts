import type { OpenRunView } from '../../wire.ts';
import { post } from '../api.ts';
import { h, words } from '../dom.ts';
import { shortTime } from '../format.ts';
import { now } from '../state.ts';
import { button, showProblem } from './parts.ts';

/** Requests that Proxmox may still execute, each with the two answers of a human who looked; nothing when there are none. */
export function openRuns(runs: OpenRunView[], closed: () => void): HTMLElement[] {
  if (runs.length === 0) return [];
  return [
    h(
      'section',
      { class: 'open-runs' },
      h('h2', {}, 'Outcome unknown'),
      h(
        'p',
        { class: 'soft' },
        'No answer arrived, and Proxmox may still execute these requests. Check each guest first, then record the outcome.',
      ),
      ...runs.map((run) => row(run, closed)),
    ),
  ];
}

function row(run: OpenRunView, closed: () => void): HTMLElement {
  const said = h('div', {});
  const buttons = (['done', 'not-done'] as const).map((outcome) =>
    button(outcome === 'done' ? 'It took effect' : 'It will not take effect', 'quiet', () => void close(outcome)),
  );

  async function close(outcome: 'done' | 'not-done'): Promise<void> {
    for (const button of buttons) button.disabled = true;
    try {
      await post(`runs/${run.id}/close`, { outcome });
      closed();
    } catch (thrown) {
      showProblem(said, thrown);
      for (const button of buttons) button.disabled = false;
    }
  }

  return h(
    'div',
    { class: 'notice warn' },
    h('p', {}, words(run.summary)),
    h('p', { class: 'soft' }, words(run.askedBy), ', ', h('time', { attrs: { datetime: run.startedAt } }, shortTime(run.startedAt, now()))),
    h('p', { class: 'soft' }, words(run.message)),
    h('p', {}, ...buttons),
    said,
  );
}
