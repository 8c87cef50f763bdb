// The search box of the site. It works without a server: the index is a script that is loaded when the box is first used.
(() => {
  const MOST_SHOWN = 12;
  const SNIPPET = 110;
  const box = document.querySelector('.search');
  const input = box.querySelector('input');
  const status = box.querySelector('[role=status]');
  const list = box.querySelector('ol');
  const up = box.dataset.up;
  let loading;

  /** Characters that a search compares: lower case, without accents. */
  const fold = (text) => text.toLowerCase().normalize('NFD').replace(/\p{M}/gu, '');

  function load() {
    loading ??= new Promise((resolve, reject) => {
      const script = document.createElement('script');
      script.src = `${up}/search-index.js`;
      script.onload = () => resolve(prepared(globalThis.siteIndex));
      script.onerror = () => {
        loading = undefined;
        reject(new Error('The index of the search did not load. Try again.'));
      };
      document.head.append(script);
    });
    return loading;
  }

  const prepared = ({ pages, sections }) =>
    sections.map(([page, heading, id, text]) => {
      const [path, title] = pages[page];
      return { path, title, heading, id, text, folded: { title: fold(title), heading: fold(heading), text: fold(text) } };
    });

  /** Every word must be there. A word of the title or of the heading counts more than one of the text, and the start of a word more than its middle. */
  function score({ folded }, words) {
    let sum = 0;
    for (const word of words) {
      const weight = (text, whole, part) => (` ${text}`.includes(` ${word}`) ? whole : text.includes(word) ? part : 0);
      const most = Math.max(weight(folded.heading, 12, 6), weight(folded.title, 8, 4), weight(folded.text, 2, 1));
      if (most === 0) return 0;
      sum += most;
    }
    return sum;
  }

  async function search() {
    const words = fold(input.value).split(/\s+/).filter(Boolean);
    if (words.length === 0) return close();
    let found;
    try {
      found = await load();
    } catch (error) {
      list.replaceChildren();
      status.textContent = error.message;
      return;
    }
    // Letters that came while the index was loading have started a search of their own.
    if (fold(input.value).split(/\s+/).filter(Boolean).join(' ') !== words.join(' ')) return;
    const ranked = found
      .map((section) => ({ section, points: score(section, words) }))
      .filter(({ points }) => points > 0)
      .sort((a, b) => b.points - a.points);
    status.textContent =
      ranked.length === 0 ? 'Nothing found.' : `${ranked.length} found${ranked.length > MOST_SHOWN ? `, ${MOST_SHOWN} shown` : ''}.`;
    list.replaceChildren(...ranked.slice(0, MOST_SHOWN).map(({ section }) => item(section, words)));
    list.hidden = ranked.length === 0;
  }

  function item({ path, title, heading, id, text, folded }, words) {
    const link = document.createElement('a');
    link.className = 'hit';
    link.href = `${up}/${path}${id === '' ? '' : `#${id}`}`;
    const name = document.createElement('b');
    name.textContent = heading === title ? title : `${title} › ${heading}`;
    const snippet = document.createElement('span');
    snippet.append(...marked(text, folded.text, words));
    link.append(name, snippet);
    const entry = document.createElement('li');
    entry.append(link);
    return entry;
  }

  /** The place of the first word, with the words marked. */
  function marked(text, folded, words) {
    // Folding may change lengths; then places in one text mean nothing in the other.
    if (folded.length !== text.length) return [text.slice(0, SNIPPET)];
    const first = Math.max(0, Math.min(...words.map((word) => folded.indexOf(word)).filter((at) => at >= 0)) - 30);
    const from = Number.isFinite(first) ? first : 0;
    const parts = [];
    let at = from;
    const end = Math.min(text.length, from + SNIPPET);
    while (at < end) {
      const next = words
        .map((word) => ({ word, place: folded.indexOf(word, at) }))
        .filter(({ place }) => place >= 0 && place < end)
        .sort((a, b) => a.place - b.place)[0];
      parts.push(text.slice(at, next ? next.place : end));
      if (!next) break;
      const mark = document.createElement('mark');
      mark.textContent = text.slice(next.place, next.place + next.word.length);
      parts.push(mark);
      at = next.place + next.word.length;
    }
    return [from > 0 ? '…' : '', ...parts, end < text.length ? '…' : ''];
  }

  function close() {
    list.replaceChildren();
    list.hidden = true;
    status.textContent = '';
  }

  /** Moves the focus by one through the box and its results. */
  function step(by) {
    const stops = [input, ...list.querySelectorAll('a')];
    const next = stops.indexOf(document.activeElement) + by;
    stops[Math.max(0, Math.min(stops.length - 1, next))].focus();
  }

  box.hidden = false;
  input.addEventListener('focus', () => void load().catch(() => {}));
  input.addEventListener('input', () => void search());
  box.addEventListener('submit', (event) => {
    event.preventDefault();
    list.querySelector('a')?.click();
  });
  box.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') {
      input.value = '';
      input.focus();
      close();
    } else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      step(event.key === 'ArrowDown' ? 1 : -1);
    }
  });
  box.addEventListener('click', (event) => {
    if (event.target.closest('a')) close();
  });
  document.addEventListener('click', (event) => {
    if (!box.contains(event.target)) close();
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== '/' || event.ctrlKey || event.metaKey || /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName)) return;
    event.preventDefault();
    input.focus();
  });
})();
