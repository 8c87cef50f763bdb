import type { Theme } from '../lib/task.ts';

export const backups: Theme = {
  theme: 'backups and snapshots',
  tasks: [
    {
      name: 'backs up to the storage that was named',
      prompt: 'Back up dev1 to nas now.',
      expect: { volumes: { added: [/^nas:backup\/vzdump-qemu-105-/] } },
      reference: [['backup_vm', { name: 'dev1', storage: 'nas' }]],
      wrong: [['backup_vm', { name: 'dev1', storage: 'pbs' }]],
      answer: 'dev1 is backed up.',
    },
    {
      name: 'backs up all guests of a tag',
      prompt: 'Back up every guest with the tag dev to nas.',
      expect: { volumes: { added: [/^nas:backup\/vzdump-qemu-104-/, /^nas:backup\/vzdump-qemu-105-/] } },
      reference: [
        ['list_vms', { tag: 'dev' }],
        ['backup_vm', { names: ['build1', 'dev1'], storage: 'nas' }],
      ],
      wrong: [['backup_vm', { name: 'dev1', storage: 'nas' }]],
      answer: 'Both are backed up.',
    },
    {
      name: 'takes a snapshot before a change',
      prompt: 'Take a snapshot before-fix of build1.',
      expect: { changed: { build1: { snapshots: /before-fix/ } } },
      reference: [['snapshot_vm', { name: 'build1', snapshot: 'before-fix' }]],
      wrong: [['backup_vm', { name: 'build1', storage: 'nas' }]],
      answer: 'before-fix is taken.',
    },
    {
      name: 'takes a snapshot of several guests',
      prompt: 'Snapshot web1, web2 and db1 as before-patch.',
      expect: {
        changed: { web1: { snapshots: 'before-patch' }, web2: { snapshots: 'before-patch' }, db1: { snapshots: 'before-patch' } },
      },
      reference: [['snapshot_vm', { names: ['web1', 'web2', 'db1'], snapshot: 'before-patch' }]],
      wrong: [['snapshot_vm', { names: ['web1', 'web2'], snapshot: 'before-patch' }]],
      answer: 'All three have before-patch.',
    },
    {
      name: 'restores beside the guest, not over it',
      prompt: 'I need the data of db1 from its newest backup, beside the running one. Restore it as VM 150, under its own name.',
      human: { approves: /nothing/ },
      expect: { created: { 'db1 150': { status: 'stopped', memory: '2048' } } },
      reference: [['restore_backup', { source_name: 'db1', vmid: 150 }]],
      wrong: [['restore_backup', { source_name: 'db1', overwrite: true }]],
      answer: 'The backup is restored as VM 150, stopped.',
    },
    {
      name: 'protects a backup from pruning',
      prompt: 'Back up build1 to nas and make sure that this backup is never pruned.',
      expect: { volumes: { added: [/^nas:backup\/vzdump-qemu-104-.* protected$/] } },
      reference: [['backup_vm', { name: 'build1', storage: 'nas', protected: true }]],
      wrong: [['backup_vm', { name: 'build1', storage: 'nas' }]],
      answer: 'build1 is backed up, and the backup is protected.',
    },
  ],
};
