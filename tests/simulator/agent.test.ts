import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSimulator } from './client.ts';

let opened: Awaited<ReturnType<typeof openSimulator>>;
beforeEach(async () => {
  opened = await openSimulator();
});
afterEach(() => opened.close());

const AGENT = '/nodes/pve/qemu/100/agent';

async function run(...command: string[]): Promise<Record<string, unknown>> {
  const form = new URLSearchParams(command.map((word): [string, string] => ['command', word]));
  const { data } = await opened.api.post(`${AGENT}/exec?${form}`);
  return (await opened.api.get(`${AGENT}/exec-status?pid=${data.pid}`)).data;
}

it('a program ends with its exit code and what it printed; one that still runs has not exited', async () => {
  expect(await run('systemctl', 'is-active', 'nginx')).toEqual({ exited: 1, exitcode: 0, 'out-truncated': 0, 'out-data': 'active\n' });
  expect(await run('cat', '/nope')).toMatchObject({ exitcode: 1, 'err-data': 'cat: /nope: No such file or directory\n' });
  expect(await run('sleep', '600')).toEqual({ exited: 0 });
});

it('a program that the guest does not have breaks the connection, as one word with blanks does', async () => {
  const { api } = opened;
  const missing = await api.post(`${AGENT}/exec`, { command: '/bin/nosuch' });
  expect([missing.status, missing.reason, missing.text]).toEqual([596, 'Broken pipe', '']);
  expect((await api.post(`${AGENT}/exec`, { command: 'cat /etc/hosts' })).status).toBe(596);
});

it('while its file systems are frozen an agent answers little; thawing ends that', async () => {
  const { api } = opened;
  expect((await api.post(`${AGENT}/fsfreeze-freeze`)).data.result).toBe(1);
  expect((await api.get(`${AGENT}/get-osinfo`)).reason).toContain('the agent is in frozen state');
  expect((await api.post(`${AGENT}/fsfreeze-status`)).data.result).toBe('frozen');
  await api.post(`${AGENT}/fsfreeze-thaw`);
  expect((await api.get(`${AGENT}/get-fsinfo`)).data.result).toMatchObject([{ mountpoint: '/', type: 'ext4' }]);
});

it('a file reads back as it was written, as a whole or in part', async () => {
  const { api } = opened;
  await api.post(`${AGENT}/file-write`, { file: '/tmp/a', content: 'hello there' });
  expect((await api.get(`${AGENT}/file-read?file=/tmp/a&offset=6&count=3`)).data).toEqual({
    content: 'the',
    'bytes-read': 3,
    truncated: 1,
  });
  expect((await api.post(`${AGENT}/file-write`, { file: '/nope/a', content: 'x' })).reason).toContain('No such file or directory');
});
