import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { connectAgent, openPlace, until } from './harness.ts';

/** A line with a password, as a program may print one. */
const PRINTS = 'echo listening; echo password=hunter2secret; exit 3';
const POLICY = {
  run: [
    {
      match: { vmid: [101] },
      argv: [
        ['sleep', '*'],
        ['sh', '-c', PRINTS],
      ],
    },
  ],
};

/**
 * The rules of the end of a program, which the guest agent tells once, for two processes of the shipped binary.
 * @param store variables by which both use one store
 */
export function programEndContract(database: string, store: () => Record<string, string>): void {
  const twoProcesses = async () => {
    const place = await openPlace({}, { PROXMOX_TOOLSETS: 'everyday,agent', PROXMOX_APPROVAL: 'relay', ...store() });
    writeFileSync(join(place.env.HOME ?? '', 'policy.json'), JSON.stringify(POLICY), { mode: 0o600 });
    Object.assign(place.env, { PROXMOX_POLICY_FILE: join(place.env.HOME ?? '', 'policy.json') });
    const [one, other] = [await connectAgent(place), await connectAgent(place)];
    const asked = async (argv: string[]) => String((await one.tool('run_in_guest', { vmid: 101, argv })).approval_id);
    const looks = () => place.requests.filter(({ path }) => path.endsWith('/agent/exec-status'));
    const close = async () => {
      await one.close();
      await other.close();
      await place.close();
    };
    return { place, one, other, asked, looks, close };
  };

  describe(`the end of a program, with ${database}`, () => {
    it('is shown by another process and by a later one, without a further question to the agent', async () => {
      const { place, one, other, asked, looks, close } = await twoProcesses();
      const { result } = await one.tool('approve', { approval_id: await asked(['sh', '-c', PRINTS]) });
      const { run_id, ...end } = result as { run_id: string; out: string };
      expect(end).toMatchObject({ exit_code: 3, out: expect.stringContaining('listening\npassword=') });
      expect(JSON.stringify(end.out)).not.toContain('hunter2secret');
      const before = looks().length;
      expect((await other.tool('get_task', { run_id })).result).toMatchObject(end);
      await one.close();
      const later = await connectAgent(place);
      expect((await later.tool('get_task', { run_id })).result).toMatchObject(end);
      expect(looks()).toHaveLength(before);
      await later.close();
      await close();
    });

    it('is shown by both of two processes that wait for it', async () => {
      const { one, other, asked, looks, close } = await twoProcesses();
      // Ten times as long in the guest, by the time of the simulator.
      const first = one.tool('approve', { approval_id: await asked(['sleep', '30']) });
      await until('the first process waits', () => looks().length > 0);
      const [run_id] = /run_[a-z0-9]{16}/.exec(JSON.stringify(await other.tool('get_task', {}))) ?? [];
      const second = other.tool('get_task', { run_id });
      expect((await first).result).toMatchObject({ run_id, exit_code: 0 });
      expect((await second).result).toMatchObject({ run_id, exit_code: 0 });
      await close();
    });
  });
}
