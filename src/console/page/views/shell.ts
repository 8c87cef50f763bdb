import { keepToken, post } from '../api.ts';
import { byId, fill, h } from '../dom.ts';
import { type Connection, change, onChange, state } from '../state.ts';
import { button, problemBox } from './parts.ts';

const TABS = [
  { route: 'pending', title: 'Pending' },
  { route: 'history', title: 'History' },
  { route: 'audit', title: 'Audit' },
  { route: 'cluster', title: 'Cluster' },
] as const;

const CONNECTION: Record<Connection, { word: string; tone: string }> = {
  connecting: { word: 'connecting', tone: 'calm' },
  live: { word: 'live', tone: 'good' },
  lost: { word: 'disconnected', tone: 'bad' },
  signed_out: { word: 'signed out', tone: 'calm' },
};

/** The header of every page: location, pending count, and whether the page is current. */
export function shell(): { mark(route: string): void } {
  const count = h('span', { class: 'count number', attrs: { hidden: true } });
  const tabs = TABS.map(({ route, title }) => h('a', { attrs: { href: `#/${route}` } }, title, route === 'pending' && count));
  const connection = h('span', { class: 'connection' });
  const banner = h('div', { class: 'banner' });
  const who = h('span', { class: 'soft who' });
  const demo = h(
    'span',
    { class: 'badge warn', attrs: { hidden: true, title: 'The embedded cluster: nothing here is real.' } },
    'demo cluster',
  );
  const leave = button('Sign out', 'link', () => {
    void post('logout', {}).catch(() => {});
    keepToken(undefined);
    change({ connection: 'signed_out', session: undefined, live: undefined });
  });
  fill(
    byId('top'),
    h(
      'header',
      { class: 'shell' },
      h(
        'span',
        { class: 'brand' },
        h('img', { attrs: { src: './icon.svg', alt: '', width: 22, height: 22 } }),
        h('span', {}, 'proxmox-mcp'),
      ),
      h('nav', { attrs: { 'aria-label': 'Console' } }, ...tabs),
      h('span', { class: 'status' }, demo, connection, who, leave),
    ),
    banner,
  );

  let bannerFor = '';
  function draw(): void {
    const { word, tone } = CONNECTION[state.connection];
    connection.className = `connection ${tone}`;
    if (connection.textContent !== word) fill(connection, word);
    fill(who, state.session?.name ?? '');
    demo.hidden = state.session?.demo !== true;
    leave.hidden = state.session === undefined;
    const pending = state.live?.total ?? 0;
    count.hidden = pending === 0;
    count.textContent = String(pending);
    document.title = `${pending > 0 ? `(${pending}) ` : ''}proxmox-mcp console`;
    const problem = state.connection === 'live' && state.live !== undefined ? state.problem : undefined;
    const key = JSON.stringify([state.connection, problem]);
    if (key === bannerFor) return;
    bannerFor = key;
    fill(
      banner,
      state.connection === 'lost' &&
        h(
          'div',
          { class: 'notice bad', attrs: { role: 'alert' } },
          h('p', { class: 'strong' }, 'Connection lost. Reconnecting…'),
          h(
            'p',
            {},
            'This page may be out of date. Decisions are disabled until the connection is back. Check that the server of this page runs and can be reached.',
          ),
        ),
      problem && problemBox(problem),
    );
  }
  onChange(draw);
  draw();
  return {
    mark(route) {
      for (const tab of tabs) {
        if (tab.getAttribute('href') === `#/${route}`) tab.setAttribute('aria-current', 'page');
        else tab.removeAttribute('aria-current');
      }
    },
  };
}
