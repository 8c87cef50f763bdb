import { type Context, task, vmidOf } from '../../context.ts';
import type { Guest } from '../../model.ts';
import { type Run, startTask } from '../../tasks.ts';

/** The task that asks the HA manager, for a guest that it manages. */
export function throughHa(context: Context, wish: 'started' | 'stopped', kind: Guest['type'] = 'qemu'): string | undefined {
  const vmid = vmidOf(context);
  const sid = `${kind === 'qemu' ? 'vm' : 'ct'}:${vmid}`;
  const managed = context.world.get('ha', sid);
  if (!managed || managed.state === 'ignored') return undefined;
  const type = wish === 'started' ? 'hastart' : 'hastop';
  const log = [`Requesting HA ${wish === 'started' ? 'start' : 'stop'} for ${kind === 'qemu' ? 'VM' : 'CT'} ${vmid}`];
  return task(context, { type, id: String(vmid), kind: 'ha-request', args: { wish, vmid, sid }, log });
}

/** Asks the HA manager, which acts a moment later on its own. */
export function finishHaRequest(run: Run): void {
  const { wish, vmid, sid } = run.task.args as { wish: 'started' | 'stopped'; vmid: number; sid: string };
  const resource = run.world.get('ha', sid);
  if (!resource) return;
  run.world.put('ha', sid, { ...resource, state: wish });
  const [letters, prefix] = sid.startsWith('ct:') ? ['vz', 'ct-'] : ['qm', ''];
  const doing =
    wish === 'started'
      ? { type: `${letters}start`, kind: `${prefix}start` }
      : { type: `${letters}shutdown`, kind: `${prefix}shutdown`, args: { force: true, timeout: 60 } };
  startTask(
    run.world,
    run.kinds,
    { node: run.task.node, id: String(vmid), owner: 'root@pam', locks: [vmid], slower: 1_000, ...doing },
    run.at,
  );
}
