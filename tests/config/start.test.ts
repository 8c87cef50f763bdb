import { afterEach, expect, test, vi } from 'vitest';
import * as z from 'zod';

// What the settings cost each start.

afterEach(() => {
  z.config({ postProcessor: undefined } as Parameters<typeof z.config>[0]);
  vi.unstubAllGlobals();
});

test('the types of the settings are few objects: four for most of the variables, and none for a policy that is not there', async () => {
  let made = 0;
  const count = { postProcessor: () => void made++ } as Parameters<typeof z.config>[0];
  vi.resetModules();
  z.config(count);
  const { VARIABLES } = await import('../../src/config/schema.ts');
  await import('../../src/config/policy.ts');
  expect(made).toBeGreaterThan(VARIABLES.length);
  expect(made).toBeLessThan(4.5 * VARIABLES.length);
});

test('no code is generated for values that are read once', async () => {
  const { loadConfig } = await import('../../src/config/load.ts');
  const generated: string[] = [];
  vi.stubGlobal(
    'Function',
    new Proxy(Function, {
      construct(target, args: string[]) {
        generated.push(args.at(-1) ?? '');
        return Reflect.construct(target, args);
      },
    }),
  );
  loadConfig({ env: { XDG_CONFIG_HOME: '/nowhere', PROXMOX_PORT: '8007' }, systemFile: '/nowhere' });
  expect(generated.filter((code) => code !== '')).toEqual([]);
});
