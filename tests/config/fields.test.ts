import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { describe as described, VARIABLES } from '../../src/config/schema.ts';
import { toSettings } from '../../src/config/settings.ts';

const settingsOf = (env: Record<string, string>) => {
  const loaded = loadConfig({ env: { XDG_CONFIG_HOME: '/nonexistent', ...env }, systemFile: '/nonexistent' });
  return { config: loaded.config, settings: toSettings(loaded, { env, demo: false }) };
};
const at = (value: unknown, path: string) => path.split('.').reduce<unknown>((one, key) => (one as Record<string, unknown>)[key], value);

describe('a variable fills the field of the settings that it names', () => {
  const named = VARIABLES.flatMap((name) => described(name).field ?? []);
  test('no two name the same field', () => {
    expect(named).toEqual([...new Set(named)]);
  });
  test.each(VARIABLES.filter((name) => described(name).field))('%s', (name) => {
    const example = name === 'PROXMOX_FINGERPRINT' ? 'ab'.repeat(32) : (described(name).example ?? String(settingsOf({}).config[name]));
    const { config, settings } = settingsOf({ [name]: example });
    expect(config[name]).toBeDefined();
    expect(at(settings, described(name).field ?? '')).toEqual(config[name]);
  });
});

test('a field whose variable has no value is absent, never undefined', () => {
  const { settings } = settingsOf({});
  for (const group of [settings, settings.connection, settings.defaults, settings.limits, settings.http])
    expect(Object.entries(group).filter(([, value]) => value === undefined)).toEqual([]);
});
