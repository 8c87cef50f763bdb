import type { Live, Problem, SessionView } from '../wire.ts';
import { asApiError, get, keepToken, post } from './api.ts';
import { announce, byId, fill, h } from './dom.ts';
import { ago, countdown, number } from './format.ts';
import { change, now, onChange, state } from './state.ts';
import { follow } from './stream.ts';
import { approvalsView } from './views/approvals/approvals.ts';
import { auditPage } from './views/audit.ts';
import { clusterPage } from './views/cluster.ts';
import { emptyState, showProblem } from './views/parts.ts';
import { shell } from './views/shell.ts';
import { signedOut } from './views/signed-out.ts';
import type { View } from './views/view.ts';

const PAGES: Record<string, () => View> = {
  pending: () =>
    approvalsView({
      route: 'pending',
      title: 'Pending',
      rows: () => state.live?.pending ?? [],
      empty: noPending,
      foot: () => {
        const { pending: { length: shown } = [], total = 0 } = state.live ?? {};
        return shown < total ? `${number(total)} are pending. These ${number(shown)} expire first.` : '';
      },
    }),
  history: () =>
    approvalsView({
      route: 'history',
      title: 'History',
      rows: () => state.live?.recent ?? [],
      empty: () => emptyState('No decisions yet.', h('p', {}, 'Decisions and their outcomes appear here.')),
      foot: () => (state.live?.recent.length ? 'These are the latest decisions. The audit holds all of them.' : ''),
    }),
  audit: auditPage,
  cluster: clusterPage,
};

function noPending(): HTMLElement {
  const last = state.live?.recent[0];
  return emptyState(
    'No pending approvals.',
    h('p', {}, 'A request that interrupts or destroys something appears here at once.'),
    state.session?.demo === true && [
      h('p', {}, 'To see one, run this in another terminal:'),
      h('pre', { attrs: { tabindex: 0 } }, `proxmox-mcp call stop_vm --demo --args '{"vmid":101}'`),
    ],
    last?.decided !== undefined && h('p', { class: 'soft' }, `Last decision: ${ago(last.decided.at, now())}.`),
  );
}

/** The secret of a one-time link stands behind the #, which browsers never send; it leaves the address before anything else happens. */
function takeLink(): string | undefined {
  const secret = /^#link=([\w-]+)$/.exec(location.hash)?.[1];
  if (secret !== undefined) history.replaceState(undefined, '', '#/pending');
  return secret;
}

async function logIn(): Promise<SessionView> {
  const link = takeLink();
  if (link === undefined) return get<SessionView>('session');
  const { token, session } = await post<{ token: string; session: SessionView }>('login/link', { secret: link });
  keepToken(token);
  return session;
}

let page: { route: string; view: View } | undefined;
let bar: ReturnType<typeof shell> | undefined;

function open(): void {
  if (state.session === undefined) return;
  const [, route = '', param] = /^#\/([a-z]+)(?:\/([\w-]+))?$/.exec(location.hash) ?? [];
  const name = PAGES[route] ? route : 'pending';
  bar?.mark(name);
  const opened = page?.route === name ? page.view : PAGES[name]?.();
  if (!opened) return;
  if (page?.view !== opened) {
    page = { route: name, view: opened };
    fill(byId('main'), opened.element);
    window.scrollTo(0, 0);
  }
  opened.show(param);
}

function close(message: string): void {
  page = undefined;
  fill(byId('top'));
  fill(byId('main'), signedOut(message));
}

const announced = new Set<string>();
function onLive(live: Live): void {
  const fresh = live.pending.filter((approval) => !announced.has(approval.id));
  for (const { id } of fresh) announced.add(id);
  const first = state.live === undefined;
  change({ live, problem: undefined, skew: live.now - Date.now() });
  if (fresh.length > 0)
    announce(first ? `${live.total} approvals are pending.` : `New approval: ${fresh.map((a) => a.summary).join('. ')}`);
}

function onEvent(event: string, data: unknown): void {
  if (event === 'approvals') onLive(data as Live);
  else if (event === 'problem') change({ problem: data as Problem });
}

async function start(): Promise<void> {
  try {
    const session = await logIn();
    change({ session, skew: session.now - Date.now() });
  } catch (thrown) {
    const error = asApiError(thrown);
    if (error.code === 'login_refused') return close('This link is invalid, expired or already used');
    if (error.code === 'signed_out') return close('Log in to decide.');
    return showProblem(byId('main'), error, () => location.reload());
  }
  bar = shell();
  open();
  await follow({ onEvent, onState: (connection) => change({ connection }) });
}

onChange(() => {
  if (state.connection === 'signed_out') close('You are signed out');
});
addEventListener('hashchange', () => {
  // A new link pasted into the same tab logs in again.
  if (location.hash.startsWith('#link=')) location.reload();
  else open();
});
/** Following a link to a part of the page would change the address, which says what is open. */
function skipTo(link: string, target: () => HTMLElement | null): void {
  byId(link).addEventListener('click', (event) => {
    event.preventDefault();
    target()?.focus();
  });
}
skipTo('skip-main', () => byId('main'));
skipTo('skip-decision', () => document.getElementById('decide-title'));
setInterval(() => {
  for (const element of document.querySelectorAll<HTMLElement>('[data-until]')) {
    const until = element.dataset.until ?? '';
    element.textContent = countdown(until, now());
    element.classList.toggle('soon', Date.parse(until) - now() < 60_000);
  }
}, 500);
void start();
