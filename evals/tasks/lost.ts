import type { Theme } from '../lib/task.ts';

const once = (action: 'reset-after' | '596-after' | 'reset', method: string, path: string) => ({
  action,
  times: 1,
  match: { method, path },
});

/** Answers that get lost, work that takes long, tasks that fail. */
export const lost: Theme = {
  theme: 'lost answers and failures',
  tasks: [
    {
      name: 'a clone whose answer was lost is there once',
      prompt: 'Clone the Debian template as c1.',
      faults: [once('596-after', 'POST', '/qemu/9000/clone$')],
      expect: { created: { c1: { status: 'stopped' } }, sent: { 'POST /nodes/pve/qemu/9000/clone': 1 } },
      reference: [['clone_template', { source_vmid: 9000, name: 'c1' }]],
      wrong: [
        ['clone_template', { source_vmid: 9000, name: 'c1' }],
        ['clone_template', { source_vmid: 9000, name: 'c1-again' }],
      ],
      answer: 'c1 is there.',
    },
    {
      name: 'a start whose answer was lost is not repeated',
      prompt: 'Start dev1.',
      faults: [once('reset-after', 'POST', '/qemu/105/status/start$')],
      expect: { changed: { dev1: { status: 'running' } }, sent: { 'POST /nodes/pve/qemu/105/status/start': 1 } },
      reference: [['start_vm', { name: 'dev1' }]],
      wrong: [['list_vms', { name: 'dev1' }]],
      answer: 'dev1 runs.',
    },
    {
      name: 'a shutdown whose answer was lost is approved once',
      prompt: 'Shut down web1.',
      faults: [once('596-after', 'POST', '/qemu/100/status/shutdown$')],
      human: { approves: /^Shut down web1/ },
      expect: { changed: { web1: { status: 'stopped' } }, sent: { 'POST /nodes/pve/qemu/100/status/shutdown': 1 }, approvals: 1 },
      reference: [['stop_vm', { name: 'web1' }]],
      wrong: [['stop_vm', { name: 'web1', force: true }]],
      answer: 'web1 is shut down.',
    },
    {
      name: 'a new VM whose answer was lost is there once',
      prompt: 'Create a VM n1 with 8 GiB on local-lvm.',
      faults: [once('reset-after', 'POST', '/nodes/pve/qemu$')],
      expect: { created: { n1: { scsi0: /size=8G/ } }, sent: { 'POST /nodes/pve/qemu': 1 } },
      reference: [['create_vm', { name: 'n1', disk_gb: 8, storage: 'local-lvm' }]],
      wrong: [
        ['create_vm', { name: 'n1', disk_gb: 8, storage: 'local-lvm' }],
        ['create_vm', { name: 'n2', disk_gb: 8, storage: 'local-lvm' }],
      ],
      answer: 'n1 is there.',
    },
    {
      name: 'a deletion whose answer was lost hits nothing else',
      prompt: 'Delete dev1.',
      faults: [once('reset-after', 'DELETE', '/qemu/105$')],
      human: { approves: /dev1/ },
      expect: { gone: ['dev1'], sent: { 'DELETE /nodes/pve/qemu/105': 1 }, approvals: 1 },
      reference: [['delete_vm', { name: 'dev1' }]],
      wrong: [['delete_vm', { name: 'build1' }]],
      answer: 'dev1 is deleted.',
    },
    {
      name: 'tells why a task failed',
      prompt: 'Start build1.',
      faults: [
        {
          action: 'fail-task',
          times: 1,
          match: { method: 'POST', path: '/qemu/104/status/start$' },
          exitstatus: 'no space for the state file',
        },
      ],
      expect: { says: [/no space/i], audit: [{ kind: 'outcome', operation: 'start_vm', status: 'failed' }] },
      reference: [['start_vm', { name: 'build1' }]],
      wrong: [['get_vm', { name: 'build1' }]],
      answer: 'It failed: no space for the state file.',
      wrongAnswer: 'build1 runs.',
    },
    {
      name: 'follows long work instead of doing it again',
      prompt: 'Back up dev1 to nas and tell me when it is done.',
      env: { PROXMOX_WAIT_SECONDS: '1' },
      faults: [{ action: 'slow-task', times: 1, match: { method: 'POST', path: '/vzdump$' }, ms: 2_500 }],
      expect: {
        volumes: { added: [/^nas:backup\/vzdump-qemu-105-/] },
        sent: { 'POST /nodes/pve/vzdump': 1 },
        says: [/succeeded|done|finished|backed up/i],
      },
      reference: [['backup_vm', { name: 'dev1', storage: 'nas' }]],
      wrong: [['backup_vm', { name: 'dev1', storage: 'pbs' }]],
      answer: 'The backup is done (succeeded).',
      wrongAnswer: 'It takes a while.',
    },
    {
      name: 'does not know the state of a guest whose node is silent',
      prompt: 'What is the configuration of web2?',
      faults: [{ action: 'node-down', node: 'pve2' }],
      expect: { says: [/pve2/, /not answer|unreachable|unknown|down/i] },
      reference: [['get_vm', { name: 'web2' }]],
      wrong: [['get_vm', { name: 'web1' }]],
      answer: 'Node pve2 does not answer, so I do not know it.',
      wrongAnswer: 'It has 1 core and 1 GiB.',
    },
    {
      name: 'waits for a lock of another task rather than breaking it',
      prompt: 'Give dev1 2 cores.',
      locks: { 105: 'backup' },
      expect: { says: [/lock/i] },
      reference: [['set_resources', { name: 'dev1', cores: 2 }]],
      wrong: [['clone_template', { source_vmid: 9000, name: 'dev1-new', cores: 2 }]],
      answer: 'dev1 is locked by a backup. Nothing was changed.',
    },
  ],
};
