import { describe, expect, it } from 'vitest';
import { traceSettings } from '../../src/telemetry/settings.ts';

const BASE = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' };
function read(env: Record<string, string>) {
  const warnings: string[] = [];
  return { settings: traceSettings(env, '1.2.3', (problem) => warnings.push(problem)), warnings };
}

describe('traces are off', () => {
  it.each([
    ['without an endpoint', {}],
    ['where the SDK is disabled', { ...BASE, OTEL_SDK_DISABLED: 'true' }],
    ['where no exporter is wanted', { ...BASE, OTEL_TRACES_EXPORTER: 'none' }],
  ])('%s, without a word', (_case, env) => {
    expect(read(env)).toEqual({ settings: undefined, warnings: [] });
  });

  it.each([
    ['gRPC, which has another address', { ...BASE, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }],
    ['another exporter', { ...BASE, OTEL_TRACES_EXPORTER: 'zipkin' }],
    ['an address with a password, which no request can have', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://me:secret@127.0.0.1:4318' }],
    ['what is not an address', { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }],
  ])('for %s, with a warning', (_case, env) => {
    const { settings, warnings } = read(env);
    expect(settings).toBeUndefined();
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).not.toContain('secret');
  });
});

it('adds the path of traces to the endpoint of all signals, and none to their own', () => {
  expect(read(BASE).settings?.url).toBe('http://127.0.0.1:4318/v1/traces');
  expect(read({ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://otel.example.org/in/' }).settings?.url).toBe('https://otel.example.org/in/v1/traces');
  expect(read({ ...BASE, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://otel.example.org/spans' }).settings?.url).toBe(
    'https://otel.example.org/spans',
  );
});

it('decodes headers and resource attributes, and leaves malformed pairs out', () => {
  const { settings } = read({
    ...BASE,
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20abc=,broken,x=%zz',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=lab,service.name=other',
    OTEL_SERVICE_NAME: 'pve',
  });
  expect(settings?.headers).toEqual({ authorization: 'Bearer abc=' });
  expect(settings?.resource).toEqual({ 'service.name': 'pve', 'service.version': '1.2.3', 'deployment.environment': 'lab' });
});

it.each([
  ['always_on', undefined, { followsParent: false, ratio: 1 }],
  ['always_off', undefined, { followsParent: false, ratio: 0 }],
  ['traceidratio', '0.25', { followsParent: false, ratio: 0.25 }],
  ['parentbased_traceidratio', '0', { followsParent: true, ratio: 0 }],
  [undefined, undefined, { followsParent: true, ratio: 1 }],
])('knows the sampler %s', (name, argument, sampler) => {
  const env = { ...BASE, ...(name ? { OTEL_TRACES_SAMPLER: name } : {}), ...(argument ? { OTEL_TRACES_SAMPLER_ARG: argument } : {}) };
  expect(read(env)).toMatchObject({ settings: { sampler }, warnings: [] });
});

it('takes the default for a value that is not understood, and says so', () => {
  const { settings, warnings } = read({ ...BASE, OTEL_TRACES_SAMPLER: 'some', OTEL_BSP_SCHEDULE_DELAY: 'soon' });
  expect(settings).toMatchObject({ sampler: { followsParent: true, ratio: 1 }, delayMs: 5000 });
  expect(warnings).toHaveLength(2);
});
