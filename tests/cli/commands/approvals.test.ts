import { expect, it } from 'vitest';
import { visibleApprovals } from '../../../src/cli/commands/approvals.ts';
import { ProxmoxMcpError } from '../../../src/core/errors/errors.ts';
import type { Engine } from '../../../src/engine/types.ts';

/** An engine with these clusters; each has its pages of approvals, and `undefined` is a page that cannot be read. */
function engineOf(pages: Record<string, (string[] | undefined)[]>, clusters = Object.keys(pages)): Engine {
  const perform = async (_name: string, { cluster = '', cursor = '0' }: { cluster?: string; cursor?: string }) => {
    const page = pages[cluster]?.[Number(cursor)];
    if (!page) throw new ProxmoxMcpError('store_unavailable', 'The store is locked.');
    const next = Number(cursor) + 1;
    const more = next < (pages[cluster]?.length ?? 0) ? { next_cursor: String(next) } : {};
    return { kind: 'done', output: { approvals: page.map((id) => ({ approval_id: id })), ...more } };
  };
  return { clusters, perform } as unknown as Engine;
}

it('lists the approvals of all pages and clusters', async () => {
  const engine = engineOf({ home: [['a'], ['b']], work: [['c']] });
  expect((await visibleApprovals({ engine })).approvals).toEqual([
    { cluster: 'home', approval_id: 'a' },
    { cluster: 'home', approval_id: 'b' },
    { cluster: 'work', approval_id: 'c' },
  ]);
  const one = engineOf({ '': [['a'], ['b']] }, []);
  expect((await visibleApprovals({ engine: one })).approvals).toEqual([{ approval_id: 'a' }, { approval_id: 'b' }]);
});

it('lists the pages before one that cannot be read, and says what failed', async () => {
  const { approvals, missing } = await visibleApprovals({ engine: engineOf({ home: [['a'], undefined], work: [['c']] }) });
  expect(approvals.map(({ approval_id }) => approval_id)).toEqual(['a', 'c']);
  expect(missing).toEqual([{ cluster: 'home', message: 'The store is locked.' }]);
});

it('fails where no cluster could be read: an empty list would say that there is none', async () => {
  await expect(visibleApprovals({ engine: engineOf({ home: [undefined], work: [undefined] }) })).rejects.toThrow('The store is locked.');
});

it('asks the clusters side by side, because each that hangs takes its whole time', async () => {
  const asked: string[] = [];
  let answer: () => void = () => {};
  const allAsked = new Promise<void>((resolve) => (answer = resolve));
  const perform = async (_name: string, { cluster = '' }: { cluster?: string }) => {
    if (asked.push(cluster) === 2) answer();
    await allAsked;
    return { kind: 'done', output: { approvals: [{ approval_id: cluster }] } };
  };
  const engine = { clusters: ['home', 'work'], perform } as unknown as Engine;
  const { approvals } = await visibleApprovals({ engine });
  expect(approvals.map(({ cluster }) => cluster)).toEqual(['home', 'work']);
});
