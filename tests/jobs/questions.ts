import { expect } from 'vitest';
import { rowsOf } from '../helpers/rows.ts';
import type { Answer, Job } from './job.ts';

const upidsOf = (answer: Answer): string[] => rowsOf<Answer>(answer.tasks).map((task) => task.upid);

/** What an operator wants to know. None of these changes anything. */
export const questions: Job[] = [
  {
    number: 1,
    prompt: 'Which guests are running, and how much RAM do they use together?',
    calls: [{ tool: 'list_vms', args: { status: 'running' }, unnamed: 'both' }],
    async done([list], cluster) {
      const running = (await cluster.get('/cluster/resources?type=vm')).filter((row: Answer) => row.status === 'running');
      expect(rowsOf(list).map((row) => row.vmid)).toEqual(running.map((row: Answer) => row.vmid));
      // Each row is rounded by itself.
      const sum = rowsOf<Answer>(list).reduce((all, row) => all + row.memory_used_mb, 0);
      expect(Math.abs(list.totals.memory_used_mb - sum)).toBeLessThan(running.length);
    },
  },
  {
    number: 2,
    prompt: 'Tell me everything about web1, with its IP address.',
    calls: [{ tool: 'get_vm', args: { name: 'web1' }, unnamed: 'ambiguous' }],
    async done([vm], cluster) {
      const { config } = await cluster.guest('web1');
      expect(vm).toMatchObject({ status: 'running', ip_addresses: ['10.77.0.110'], config: { memory_mb: Number(config.memory) } });
    },
  },
  {
    number: 3,
    prompt: 'Which guests use most memory, and which do nothing?',
    calls: [{ tool: 'list_vms', args: { sort: 'memory' }, unnamed: 'both' }],
    done([list]) {
      const used = rowsOf<Answer>(list).filter((row) => row.status === 'running');
      expect(used.length).toBeGreaterThan(5);
      expect(used.map((row) => row.memory_used_mb)).toEqual(used.map((row) => row.memory_used_mb).sort((a, b) => b - a));
      for (const { cpu_percent: cpu } of used) expect(cpu).toEqual(expect.any(Number));
    },
  },
  {
    number: 12,
    prompt: 'How much memory has wbe1? Give VMID 200 a second socket. Start 9000.',
    calls: [
      { tool: 'get_vm', args: { name: 'wbe1' }, unnamed: 'both', error: 'guest_not_found' },
      { tool: 'set_resources', args: { vmid: 200, sockets: 2 }, error: 'not_possible' },
      { tool: 'start_vm', args: { vmid: 9000 }, error: 'guest_state' },
    ],
    done([name, container, template], { sent }) {
      expect(name.error.details.candidates).toEqual(['web1']);
      expect(container.error).toMatchObject({ message: expect.stringContaining('is a container'), hint: 'Give cores and memory only.' });
      expect(template.error).toMatchObject({ message: expect.stringContaining('is a template'), hint: expect.stringContaining('clone') });
      expect(sent).toEqual([]);
    },
  },
  {
    number: 21,
    prompt: 'Why is web2 slow?',
    calls: [{ tool: 'get_metrics', args: { name: 'web2' } }],
    done([metrics]) {
      const cpu = rowsOf<Answer>(metrics.metrics).find((row) => row.metric === 'cpu_percent');
      expect(cpu).toMatchObject({ p95: expect.any(Number), max_at: expect.any(String) });
      expect(cpu?.avg).toBeGreaterThan(70);
      const [cpuFinding, memoryFinding] = metrics.findings;
      expect(cpuFinding).toContain('CPU is at its limit');
      expect(memoryFinding).toContain('memory is nearly all in use');
    },
  },
  {
    number: 22,
    prompt: 'Which tasks failed lately, and why?',
    calls: [
      { tool: 'get_task', args: { status: 'failed' }, unnamed: 'both' },
      { tool: 'get_task', args: ([failed]) => ({ upid: upidsOf(failed ?? {})[0] ?? '', log_lines: 5 }) },
    ],
    async done([failed, why], cluster) {
      const tasks = [...(await cluster.get('/nodes/pve/tasks?errors=1')), ...(await cluster.get('/nodes/pve2/tasks?errors=1'))];
      expect(upidsOf(failed)).toEqual(tasks.map((task: Answer) => task.upid));
      expect(why.log.join()).toContain('No space left on device');
    },
  },
  {
    number: 23,
    prompt: 'Who changed web1 (VMID 100) last?',
    calls: [{ tool: 'get_vm', args: { vmid: 100, fields: ['changes'] } }],
    done([vm]) {
      const changes = rowsOf<Answer>(vm.changes);
      const reboot = changes.find(({ what }) => what.startsWith('Reboot web1'));
      expect(changes[0]).toMatchObject({
        what: expect.stringContaining('Move web1'),
        by: expect.stringMatching(/^local:/),
        approved_by: null,
      });
      expect(reboot).toMatchObject({ by: expect.stringMatching(/^local:/), approved_by: expect.stringMatching(/^local:/) });
    },
  },
];
