import type { Log } from '../core/log.ts';
import { setTracer } from '../core/trace.ts';
import { createExporter } from './exporter.ts';
import { traceSettings } from './settings.ts';
import { createTracer } from './tracer.ts';

/** How long (ms) a process that ends waits for its collector. */
const CLOSE_LIMIT_MS = 900;

/**
 * Begins to send traces where the variables of OpenTelemetry ask for it.
 * @returns ends it, sending what is left
 */
export function startTraces(version: string, log: Log): () => Promise<void> {
  const settings = traceSettings(process.env, version, (problem) => log.warn({}, problem));
  if (!settings) return async () => {};
  const exporter = createExporter(settings, version, log);
  setTracer(createTracer(settings.sampler, exporter.add));
  return async () => {
    setTracer(undefined);
    await exporter.close(CLOSE_LIMIT_MS);
  };
}
