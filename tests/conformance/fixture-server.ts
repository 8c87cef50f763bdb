import { systemClock } from '../../src/core/clock.ts';
import { createHttpApp } from '../../src/http/app.ts';
import { listen } from '../../src/http/listen.ts';
import { createMetrics } from '../../src/http/metrics.ts';
import { noChanges } from '../helpers/changes.ts';
import { fixtureFactory } from './fixture.ts';

/** The fixture behind the product's own HTTP shell. Prints the port. */
const onError = (error: Error) => process.stderr.write(`${error.message}\n`);
const app = createHttpApp({
  factory: fixtureFactory,
  changes: noChanges,
  gate: async () => undefined,
  hosts: ['localhost', '127.0.0.1'],
  isTrustedProxy: () => false,
  ready: async () => {},
  metrics: createMetrics(),
  gauges: async () => [],
  perMinute: 1_000_000,
  replica: 'fixture',
  clock: systemClock,
  onError,
});
const { port } = await listen(app, { host: '127.0.0.1', port: 0, onError });
process.stdout.write(`${port}\n`);
