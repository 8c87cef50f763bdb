import type { Theme } from '../lib/task.ts';

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExampleE ops@desk';
const IMAGE = 'local:import/debian-12-genericcloud-amd64.qcow2';
const SITE = 'https://cloud.debian.org/images/cloud/trixie/latest/debian-13-genericcloud-amd64.qcow2';

export const creating: Theme = {
  theme: 'creating',
  tasks: [
    {
      name: 'clones a template and starts the clone',
      prompt: 'Make me a VM ci-7 from the Debian 12 template and start it.',
      expect: { created: { 'ci-7': { status: 'running', type: 'qemu' } } },
      reference: [['clone_template', { source_name: 'debian-12-template', name: 'ci-7', start: true }]],
      wrong: [['clone_template', { source_name: 'debian-12-template', name: 'ci-7' }]],
      answer: 'ci-7 runs.',
    },
    {
      name: 'creates a VM from an image with a login',
      prompt: `Create a VM app1 from the Debian 12 cloud image: 4 cores, 4 GiB of memory, 40 GiB disk on local-lvm, user deploy with the key ${KEY}. Do not start it.`,
      expect: {
        created: {
          app1: { status: 'stopped', cores: '4', memory: '4096', scsi0: /local-lvm:.*size=40G/, ciuser: 'deploy', sshkeys: /ops/ },
        },
      },
      reference: [
        [
          'create_vm',
          {
            name: 'app1',
            cores: 4,
            memory: 4096,
            disk_gb: 40,
            storage: 'local-lvm',
            image: IMAGE,
            cloud_init: { user: 'deploy', sshkeys: KEY },
          },
        ],
      ],
      wrong: [['create_vm', { name: 'app1', cores: 4, memory: 4096, disk_gb: 40, storage: 'local-lvm', image: IMAGE }]],
      answer: 'app1 is there, stopped.',
    },
    {
      name: 'creates three VMs with addresses of their own',
      prompt: 'I need w1, w2 and w3 from the Debian template with the addresses 10.77.0.51, .52 and .53 (/24), gateway 10.77.0.1.',
      expect: {
        created: {
          w1: { ipconfig0: /10\.77\.0\.51\/24,?.*gw=10\.77\.0\.1|gw=10\.77\.0\.1.*10\.77\.0\.51/ },
          w2: { ipconfig0: /10\.77\.0\.52\/24/ },
          w3: { ipconfig0: /10\.77\.0\.53\/24/ },
        },
      },
      reference: [
        [
          'clone_template',
          {
            source_vmid: 9000,
            names: ['w1', 'w2', 'w3'],
            ips: ['10.77.0.51/24', '10.77.0.52/24', '10.77.0.53/24'],
            cloud_init: { ipconfig0: 'gw=10.77.0.1' },
          },
        ],
      ],
      wrong: [['clone_template', { source_vmid: 9000, names: ['w1', 'w2', 'w3'] }]],
      answer: 'w1, w2 and w3 are there.',
    },
    {
      name: 'creates a container, not a VM',
      prompt: 'Create a container proxy with 1 GiB of memory on local-lvm and start it.',
      expect: { created: { proxy: { type: 'lxc', memory: '1024', status: 'running' } } },
      reference: [['create_container', { name: 'proxy', memory_mb: 1024, storage: 'local-lvm', start: true }]],
      wrong: [['create_vm', { name: 'proxy', memory: 1024, storage: 'local-lvm', start_on_create: true }]],
      answer: 'proxy runs.',
    },
    {
      name: 'does not create a second guest of a name',
      prompt: 'Create a VM dev1 from the Debian template, if it is not there yet.',
      expect: { says: [/exist/i] },
      reference: [['clone_template', { source_vmid: 9000, name: 'dev1' }]],
      wrong: [['clone_template', { source_vmid: 9000, name: 'dev1-2' }]],
      answer: 'dev1 exists already (105, stopped). I changed nothing.',
      wrongAnswer: 'I created it as dev1-2.',
    },
    {
      name: 'puts a clone into its pool with its tag',
      prompt: 'Clone the Ubuntu template as runner2, in the pool agents, with the tag ci.',
      expect: { created: { runner2: { pool: 'agents', tags: /\bci\b/ } } },
      reference: [['clone_template', { source_name: 'ubuntu-24-template', name: 'runner2', pool: 'agents', tags: ['ci'] }]],
      wrong: [['clone_template', { source_name: 'ubuntu-24-template', name: 'runner2' }]],
      answer: 'runner2 is in the pool agents.',
    },
    {
      name: 'lets a node download an image',
      prompt: `Get ${SITE} onto local of pve, as a disk image to import.`,
      env: { PROXMOX_MEDIA_HOSTS: 'cloud.debian.org' },
      expect: { volumes: { added: [/^local:import\/debian-13-genericcloud-amd64\.qcow2 on pve$/] } },
      reference: [['download_media', { url: SITE, content: 'import', storage: 'local', node: 'pve' }]],
      wrong: [['download_media', { url: SITE, content: 'import', storage: 'local', node: 'pve2' }]],
      answer: 'local:import/debian-13-genericcloud-amd64.qcow2 is there.',
    },
    {
      name: 'shows a plan without executing it',
      prompt: 'What would you do to clone the Ubuntu template as shop1? Show me the plan only.',
      expect: { says: [/shop1/], audit: [{ kind: 'dry_run', operation: 'clone_template' }] },
      reference: [['clone_template', { source_name: 'ubuntu-24-template', name: 'shop1', dry_run: true }]],
      wrong: [['clone_template', { source_name: 'ubuntu-24-template', name: 'shop1' }]],
      answer: 'I would clone the template 9001 as shop1.',
    },
    {
      name: 'connects a new VM to the right network',
      prompt: 'Create a VM lab1 with 8 GiB of disk on local-lvm, on the bridge vmbr1 in VLAN 30.',
      expect: { created: { lab1: { net0: /bridge=vmbr1.*tag=30/, scsi0: /size=8G/ } } },
      reference: [['create_vm', { name: 'lab1', disk_gb: 8, storage: 'local-lvm', net_bridge: 'vmbr1', vlan: 30 }]],
      wrong: [['create_vm', { name: 'lab1', disk_gb: 8, storage: 'local-lvm', net_bridge: 'vmbr1' }]],
      answer: 'lab1 is there.',
    },
    {
      name: 'creates a clone on another node',
      prompt: 'Clone the Ubuntu template as edge1 onto the node pve2.',
      expect: { created: { edge1: { node: 'pve2' } } },
      reference: [['clone_template', { source_name: 'ubuntu-24-template', name: 'edge1', target_node: 'pve2' }]],
      wrong: [['clone_template', { source_name: 'ubuntu-24-template', name: 'edge1' }]],
      answer: 'edge1 is on pve2.',
    },
  ],
};
