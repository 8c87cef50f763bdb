import { describe, expect, it } from 'vitest';
import { readArguments } from '../../../src/engine/input/arguments.ts';
import { toolDefinition } from '../../../src/mcp/tools.ts';
import { operations } from '../../../src/operations/index.ts';
import { operationNamed } from '../../helpers/operations.ts';

const read = async (name: string, args: object) => readArguments(operationNamed(name), args);

describe('the other word for a parameter', () => {
  it('is that parameter, inside of an object, too', async () => {
    const cloud_init = { user: 'ops', ssh_keys: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE0m3b0m3b0m3b0m3b0m3b0m3b0m3b0m3b0m3b0m3b0m ops' };
    expect(
      await read('create_vm', { name: 'web1', memory_mb: '4096', bridge: 'vmbr0', start: true, notes: 'x', cloud_init }),
    ).toMatchObject({
      memory: 4096,
      net_bridge: 'vmbr0',
      start_on_create: true,
      description: 'x',
      cloud_init: { sshkeys: cloud_init.ssh_keys },
    });
    expect(await read('clone_template', { source_vmid: 9000, name: 'c', node: 'pve2' })).toMatchObject({ target_node: 'pve2' });
    expect(await read('set_resources', { vmid: 105, memory_mb: 512 })).toMatchObject({ memory: 512 });
  });

  it('keeps its own meaning where the tool knows it', async () => {
    expect(await read('create_vm', { name: 'web1', node: 'pve' })).toMatchObject({ node: 'pve' });
    expect(await read('clone_template', { source_vmid: 9000, name: 'c', start: true })).toMatchObject({ start: true });
  });

  it('is refused beside the parameter itself', async () => {
    await expect(read('set_resources', { vmid: 105, memory: 512, memory_mb: 1024 })).rejects.toThrow('memory_mb');
  });

  it('is advertised by no tool that has the parameter', () => {
    for (const operation of operations) {
      const names = Object.keys(toolDefinition(operation).inputSchema.properties ?? {});
      const doubled = [
        ['memory', 'memory_mb'],
        ['net_bridge', 'bridge'],
        ['target_node', 'node'],
        ['start_on_create', 'start'],
      ];
      expect(
        doubled.filter((pair) => pair.every((word) => names.includes(word))),
        operation.name,
      ).toEqual([]);
    }
  });
});
