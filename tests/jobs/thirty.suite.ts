import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { connectAgent, openPlace } from '../e2e/harness.ts';
import { type Day, POLICY, SETTINGS, thirtyJobs } from './day.ts';
import { tableOf } from './table.ts';

let day: Day;

describe('thirty jobs of an operator, by a real client through the shipped server', () => {
  beforeAll(async () => {
    const place = await openPlace({ timeScale: 0.02 }, SETTINGS);
    const policy = join(dirname(place.dataDir), 'policy.json');
    writeFileSync(policy, POLICY);
    place.env.PROXMOX_POLICY_FILE = policy;
    day = { place, agent: await connectAgent(place), reconnect: () => connectAgent(place) };
  });
  afterAll(async () => {
    await day.agent.close();
    await day.place.close();
  });

  thirtyJobs(() => day, { calls: 55, out: 10_000 }, { name: 'npm run jobs', of: tableOf });
});
