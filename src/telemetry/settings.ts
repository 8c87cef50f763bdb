import { defined } from '../core/defined.ts';

/** Where spans go and which are kept. The variables are those of OpenTelemetry, so one collector's settings serve all programs of a host. */
export interface TraceSettings {
  url: string;
  /** May hold a secret: never shown. */
  headers: Record<string, string>;
  /** Milliseconds for one request to the collector. */
  timeoutMs: number;
  /** Milliseconds between two requests. */
  delayMs: number;
  queue: number;
  batch: number;
  sampler: Sampler;
  resource: Record<string, string>;
}

export interface Sampler {
  /** Whether the sampled flag of the caller decides where there is one. */
  followsParent: boolean;
  /** Share of the traces that are kept, 0 to 1. */
  ratio: number;
}

type Env = Readonly<Record<string, string | undefined>>;

/**
 * Traces are off unless an endpoint is set.
 * @param warn gets each value that is not understood. Its default is used instead, as OpenTelemetry specifies
 * @returns undefined: off
 */
export function traceSettings(env: Env, version: string, warn: (problem: string) => void): TraceSettings | undefined {
  const get = (name: string) => env[name]?.trim() || undefined;
  const ofTraces = (name: string) => get(`OTEL_EXPORTER_OTLP_TRACES_${name}`) ?? get(`OTEL_EXPORTER_OTLP_${name}`);
  if (get('OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return undefined;
  const exporter = get('OTEL_TRACES_EXPORTER') ?? 'otlp';
  if (exporter === 'none') return undefined;
  // The address for traces counts as it is; the one for all signals gets their path.
  const base = get('OTEL_EXPORTER_OTLP_ENDPOINT');
  const url = get('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT') ?? (base && `${base.replace(/\/$/, '')}/v1/traces`);
  if (url === undefined) return undefined;
  if (exporter !== 'otlp') return off(`OTEL_TRACES_EXPORTER must be otlp or none, not "${exporter.slice(0, 40)}"`);
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) return off('the OTLP endpoint is not an http:// or https:// address');
  const { username, password } = new URL(url);
  if (username !== '' || password !== '')
    return off('the OTLP endpoint holds a user or password, which belong into OTEL_EXPORTER_OTLP_HEADERS');
  const protocol = ofTraces('PROTOCOL') ?? 'http/json';
  // A collector takes JSON and protobuf at one address. The address of gRPC is another.
  if (!protocol.startsWith('http/')) return off(`the OTLP protocol must be http/json or http/protobuf, not "${protocol.slice(0, 40)}"`);

  function off(problem: string): undefined {
    warn(`${problem}; no traces are sent`);
  }
  function whole(name: string, least: number, fallback: number): number {
    const value = get(name);
    if (value === undefined) return fallback;
    if (/^\d{1,9}$/.test(value) && Number(value) >= least) return Number(value);
    warn(`${name} must be a whole number from ${least}; using ${fallback}`);
    return fallback;
  }
  const batch = whole('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 1, 512);
  return {
    url,
    headers: pairs(ofTraces('HEADERS')),
    timeoutMs: whole('OTEL_EXPORTER_OTLP_TRACES_TIMEOUT', 1, whole('OTEL_EXPORTER_OTLP_TIMEOUT', 1, 10_000)),
    delayMs: whole('OTEL_BSP_SCHEDULE_DELAY', 1, 5_000),
    queue: Math.max(batch, whole('OTEL_BSP_MAX_QUEUE_SIZE', 1, 2_048)),
    batch,
    sampler: samplerOf(get('OTEL_TRACES_SAMPLER') ?? 'parentbased_always_on', get('OTEL_TRACES_SAMPLER_ARG'), warn),
    resource: {
      'service.name': 'proxmox-mcp',
      'service.version': version,
      ...pairs(get('OTEL_RESOURCE_ATTRIBUTES')),
      ...defined({ 'service.name': get('OTEL_SERVICE_NAME') }),
    },
  };
}

/** `key=value,key=value` with percent-encoded values. A malformed pair is left out. */
function pairs(text: string | undefined): Record<string, string> {
  const found = (text ?? '').split(',').flatMap((pair) => {
    const at = pair.indexOf('=');
    const key = pair.slice(0, at).trim();
    if (at < 1 || key === '') return [];
    try {
      return [[key, decodeURIComponent(pair.slice(at + 1).trim())]];
    } catch {
      return [];
    }
  });
  return Object.fromEntries(found);
}

function samplerOf(name: string, argument: string | undefined, warn: (problem: string) => void): Sampler {
  const [, parent, kind] = /^(parentbased_)?(always_on|always_off|traceidratio)$/.exec(name) ?? [];
  if (kind === undefined) {
    warn(`OTEL_TRACES_SAMPLER "${name.slice(0, 40)}" is not known; using parentbased_always_on`);
    return { followsParent: true, ratio: 1 };
  }
  return { followsParent: parent !== undefined, ratio: kind === 'traceidratio' ? ratioOf(argument, warn) : kind === 'always_on' ? 1 : 0 };
}

function ratioOf(argument: string | undefined, warn: (problem: string) => void): number {
  if (argument === undefined) return 1;
  const ratio = Number(argument);
  if (ratio >= 0 && ratio <= 1) return ratio;
  warn('OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1; using 1');
  return 1;
}
