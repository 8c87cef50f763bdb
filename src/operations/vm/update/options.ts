import { present } from '../../../core/defined.ts';
import { fail } from '../../../core/errors/errors.ts';
import type { Params } from '../../../core/plan/plan.ts';
import { plainText } from '../../../core/text/text.ts';
import { formatProperties, parseProperties } from '../../../proxmox/guest/property-strings.ts';
import { label, type Target } from '../lib/target.ts';
import { type Facet, facet } from './facet.ts';

interface OptionArgs {
  new_name?: string | undefined;
  notes?: string | undefined;
  onboot?: boolean | undefined;
  protection?: boolean | undefined;
  agent?: boolean | undefined;
  boot?: string[] | undefined;
}

/** Name, notes, start with the node, protection, guest agent and boot order; only what differs. */
export function optionsFacet({ guest }: Target, args: OptionArgs, createdHere: boolean): Facet {
  const { at, config } = guest;
  const nameKey = at.type === 'qemu' ? 'name' : 'hostname';
  if (at.type === 'lxc' && (args.agent !== undefined || args.boot !== undefined)) {
    fail('not_possible', `${label(guest)} is a container. Containers have neither a guest agent nor a boot order.`, {
      hint: 'Leave agent and boot out.',
    });
  }
  const wanted: Record<string, string | undefined> = {
    [nameKey]: args.new_name,
    description: args.notes,
    onboot: flag(args.onboot),
    protection: flag(args.protection),
    agent: args.agent === undefined ? undefined : agentText(config.agent, args.agent),
    boot: args.boot === undefined ? undefined : bootText(args.boot, config),
  };
  const defaults: Record<string, string> = { onboot: '0', protection: '0', agent: '0' };
  const isSo = (key: string, value: string) => {
    const now = config[key] ?? defaults[key] ?? '';
    // Proxmox ends notes with a line break of its own.
    return key === 'description' ? now.trimEnd() === value.trimEnd() : now === value;
  };
  const differs = Object.entries(wanted).filter(([key, value]) => value !== undefined && !isSo(key, value));
  const set: Params = {};
  const remove: string[] = [];
  for (const [key, value = ''] of differs) {
    if (value === '') remove.push(key);
    else set[key] = value;
  }
  const keys = differs.map(([key]) => key);
  const shown = differs.filter(([key]) => key !== 'description');
  const unprotects = keys.includes('protection') && wanted.protection === '0';
  const renames = keys.includes(nameKey) && !createdHere;
  return facet({
    changes: differs.map(([key, value]) => ({
      keys: [key],
      text: key === 'description' ? 'notes' : `${key} ${plainText(config[key] ?? 'unset', 60)} → ${plainText(value || 'unset', 60)}`,
    })),
    set,
    remove,
    has: Object.fromEntries([
      ...Object.entries(set).flatMap(([key, value]) => (key === 'description' ? [] : [[key, String(value)]])),
      ...remove.map((key) => [key, null]),
    ]),
    before: Object.fromEntries(shown.map(([key]) => [key, plainText(config[key] ?? 'unset', 200)])),
    after: Object.fromEntries(shown.map(([key, value]) => [key, plainText(value || 'unset', 200)])),
    raises: present<Facet['raises'][number]>(
      unprotects && { effect: 'destroy', because: 'the guest loses its protection against deletion' },
      renames && { effect: 'disrupt', because: 'the guest was not created through this server and gets another name' },
    ),
    undo: keys.flatMap((key) =>
      key === 'description' ? ['the former notes are lost'] : [`${key} back to ${plainText(config[key] ?? 'unset', 60)}`],
    ),
  });
}

function flag(value: boolean | undefined): string | undefined {
  return value === undefined ? undefined : value ? '1' : '0';
}

/** Other properties of the agent stay. */
function agentText(now: string | undefined, enabled: boolean): string {
  const { enabled: _now, ...rest } = parseProperties(now ?? '0', 'enabled');
  return formatProperties({ enabled: enabled ? '1' : '0', ...rest }, 'enabled');
}

/** @throws not_possible for a device that the guest does not have */
function bootText(order: readonly string[], config: Record<string, string>): string {
  const missing = order.filter((device) => config[device] === undefined);
  if (missing.length > 0) {
    const devices = Object.keys(config).filter((key) => /^(?:(?:ide|sata|scsi|virtio)\d+|net\d+)$/.test(key));
    fail('not_possible', `The guest has no ${missing.join(', ')} to boot from.`, { hint: `Devices: ${devices.join(', ')}.` });
  }
  return `order=${order.join(';')}`;
}
