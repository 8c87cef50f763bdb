/** Counters in the text format of Prometheus (exposition format 0.0.4); just what this server needs of it. */
export interface Metrics {
  count(name: keyof typeof COUNTERS, labels: Labels): void;
  observe(name: keyof typeof TIMINGS, seconds: number, labels: Labels): void;
  /** Everything counted, and the gauges of this moment. */
  render(gauges: Gauge[]): string;
}

export interface Gauge {
  name: keyof typeof GAUGES;
  labels?: Labels;
  value: number;
}
type Labels = Record<string, string>;

const COUNTERS = {
  proxmox_mcp_calls_total: 'Calls of operations, by outcome (an error code of docs/errors.md, or the kind of answer).',
  proxmox_mcp_upstream_requests_total: 'Requests sent to the Proxmox API, by method.',
  proxmox_mcp_http_requests_total: 'HTTP requests to /mcp, by status.',
  proxmox_mcp_auth_refusals_total: 'Requests without a valid identity, by reason.',
} as const;

const TIMINGS = {
  proxmox_mcp_call_seconds: 'How long calls of operations take.',
} as const;

const GAUGES = {
  proxmox_mcp_approvals_pending: 'Approvals that wait for a human.',
  proxmox_mcp_runs_unknown: 'Runs whose outcome is unknown: Proxmox may still execute their request.',
  proxmox_mcp_sessions: 'Open sessions of MCP clients older than 2026-07-28.',
  proxmox_mcp_quota_used: 'Use that counts towards a limit, by resource.',
  proxmox_mcp_quota_limit: 'The limit, by resource.',
} as const;

const BUCKETS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60];

export function createMetrics(): Metrics {
  const counters = new Map<string, number>();
  const timings = new Map<string, { name: string; labels: Labels; buckets: number[]; sum: number; count: number }>();
  return {
    count(name, labels) {
      const key = series(name, labels);
      counters.set(key, (counters.get(key) ?? 0) + 1);
    },
    observe(name, seconds, labels) {
      const key = series(name, labels);
      const timing = timings.get(key) ?? { name, labels, buckets: BUCKETS.map(() => 0), sum: 0, count: 0 };
      for (const [index, limit] of BUCKETS.entries()) if (seconds <= limit) timing.buckets[index] = (timing.buckets[index] ?? 0) + 1;
      timing.sum += seconds;
      timing.count += 1;
      timings.set(key, timing);
    },
    render(gauges) {
      const lines: string[] = [];
      for (const [name, help] of Object.entries(COUNTERS)) {
        lines.push(...head(name, help, 'counter'));
        for (const [key, value] of counters) if (isOf(key, name)) lines.push(`${key} ${value}`);
      }
      for (const [name, help] of Object.entries(TIMINGS)) {
        lines.push(...head(name, help, 'histogram'));
        for (const t of timings.values()) {
          if (t.name !== name) continue;
          for (const [index, limit] of BUCKETS.entries())
            lines.push(`${series(`${name}_bucket`, { ...t.labels, le: String(limit) })} ${t.buckets[index]}`);
          lines.push(`${series(`${name}_bucket`, { ...t.labels, le: '+Inf' })} ${t.count}`);
          lines.push(`${series(`${name}_sum`, t.labels)} ${t.sum}`, `${series(`${name}_count`, t.labels)} ${t.count}`);
        }
      }
      for (const [name, help] of Object.entries(GAUGES)) {
        lines.push(...head(name, help, 'gauge'));
        for (const gauge of gauges) if (gauge.name === name) lines.push(`${series(name, gauge.labels ?? {})} ${gauge.value}`);
      }
      return `${lines.join('\n')}\n`;
    },
  };
}

function head(name: string, help: string, type: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

function isOf(key: string, name: string): boolean {
  return key === name || key.startsWith(`${name}{`);
}

function series(name: string, labels: Labels): string {
  const pairs = Object.entries(labels).map(
    ([label, value]) => `${label}="${value.replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`))}"`,
  );
  return pairs.length === 0 ? name : `${name}{${pairs.join(',')}}`;
}
