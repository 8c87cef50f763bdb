import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { differences, type Exchange, openStage, readExchanges, readLeftOut, replay, type Stage } from './replay.ts';
import { followRules, SET_UP } from './set-up.ts';

/** Why an exchange may be left out; anything else would be an excuse. */
const REASONS = [
  'not-simulated',
  'follows-not-simulated',
  'tickets',
  'history',
  'measured',
  'chance',
  'timing',
  'inside',
  'place',
  'later',
];

/** Share of answers to simulated calls that may be left out; the wider recordings hold far more logs and traces of other sessions. */
const SPARE = { transcripts: 0.03, 'golden-flows': 0.03, 'breadth-flows': 0.14 };
/** Not counted there: no answer of a simulated call. */
const ELSEWHERE = ['not-simulated', 'follows-not-simulated', 'tickets'];

describe.each(['transcripts', 'golden-flows', 'breadth-flows'] as const)('the recorded answers of Proxmox VE 9.2: %s', (recording) => {
  const exchanges = readExchanges(recording);
  const { reasons, byNumber } = readLeftOut(recording);
  let stage: Stage;
  let failed: string[];
  let replayed: number[];

  beforeAll(async () => {
    stage = await openStage(recording);
    failed = [];
    replayed = [];
    for (const exchange of exchanges) {
      for (const setUp of SET_UP[recording].filter(({ before }) => before === exchange.n)) await setUp.run(stage);
      if (byNumber.has(exchange.n)) continue;
      await followRules(stage, exchange);
      const found = await replay(stage, exchange).catch((error: Error) => [error.message]);
      replayed.push(exchange.n);
      failed.push(...found.map((difference) => `#${exchange.n} [${exchange.label}] ${exchange.method} ${exchange.path}: ${difference}`));
    }
  }, 120_000);
  afterAll(() => stage.close());

  it('come out of the simulator, too', () => {
    expect(failed).toEqual([]);
  });

  it('are all replayed or left out for a reason', () => {
    expect([...replayed, ...byNumber.keys()].sort((a, b) => a - b)).toEqual(exchanges.map(({ n }) => n));
    expect([...new Set(byNumber.values())].filter((reason) => !REASONS.includes(reason) || !reasons[reason])).toEqual([]);
  });

  it('are left out as not simulated only where the simulator says so', async () => {
    const wrong: string[] = [];
    for (const exchange of exchanges) {
      if (byNumber.get(exchange.n) !== 'not-simulated') continue;
      const { status_line } = await stage.send({ ...exchange, as: 'root@pam!tok' });
      if (!status_line.includes(' 501 ')) wrong.push(`#${exchange.n} ${exchange.method} ${exchange.path}: ${status_line}`);
    }
    expect(wrong).toEqual([]);
  });

  it('are hardly ever left out', () => {
    const simulated = [...byNumber.values()].filter((reason) => !ELSEWHERE.includes(reason));
    expect(simulated.length / exchanges.length).toBeLessThan(SPARE[recording]);
  });
});

describe('the comparison', () => {
  const recorded = readExchanges('transcripts').find(({ n }) => n === 154) as Exchange;
  const body = recorded.body as { data: Record<string, unknown> };
  const reply = (data: Record<string, unknown>, status = recorded.status_line) => ({
    status_line: status,
    content_type: undefined,
    body: { data },
  });
  const compareWith = async (data: Record<string, unknown>, status?: string) => {
    const stage = await openStage();
    try {
      return differences(stage.names, recorded, reply(data, status));
    } finally {
      await stage.close();
    }
  };

  it('accepts the recorded answer itself, and other names for what is drawn at random', async () => {
    expect(await compareWith(body.data)).toEqual([]);
    expect(await compareWith({ ...body.data, digest: 'a'.repeat(40), vmgenid: '00000000-0000-4000-8000-000000000000' })).toEqual([]);
  });

  it.each<[string, Record<string, unknown>, string | undefined]>([
    ['another value', { ...body.data, name: 'other' }, undefined],
    ['another type', { ...body.data, boot: 1 }, undefined],
    ['a key too many', { ...body.data, cores: 1 }, undefined],
    ['a key too few', Object.fromEntries(Object.entries(body.data).filter(([key]) => key !== 'name')), undefined],
    ['a name that stands for two things', { ...body.data, smbios1: `uuid=${body.data.vmgenid}` }, undefined],
    ['another status line', body.data, 'HTTP/1.1 500 Internal error'],
  ])('refuses %s', async (_what, data, status) => {
    expect(await compareWith(data, status)).not.toEqual([]);
  });
});
