import * as z from 'zod';
import { defined, present } from '../../core/defined.ts';
import { fail } from '../../core/errors/errors.ts';
import { needsApproval, raisedTo } from '../../core/plan/effect.ts';
import type { PlanDraft } from '../../core/plan/plan.ts';
import type { Json, JsonObject } from '../../core/text/json.ts';
import { unreadable } from '../../core/text/readable.ts';
import { plainText } from '../../core/text/text.ts';
import { contract } from '../../proxmox/contract/contract.ts';
import { itemsOf } from '../../proxmox/guest/property-strings.ts';
import { defineOperation, type Operation } from '../define.ts';
import { outcomeOf } from '../vm/lib/outcome.ts';
import { answerOf, maskedJson } from './lib/answer.ts';
import { look } from './lib/around.ts';
import { CONFIG, neverSent } from './lib/classes.ts';
import { explicitDefaults } from './lib/explicit.ts';
import { checkLimited, guestsOf } from './lib/guests.ts';
import { prune } from './lib/prune.ts';
import { type ApiRequest, asked, requestFor } from './lib/request.ts';
import { staged } from './lib/staged.ts';

/** Most guests that a summary names. */
const MAX_NAMED = 20;

/** Any method that changes something, except those that a tool covers and those that are never sent (lib/never.ts). */
export const apiChange = (tools: readonly Operation[]) =>
  defineOperation({
    name: 'api_change',
    title: 'Change through the API',
    effect: 'change',
    toolset: 'api',
    description:
      'Sends a POST, PUT or DELETE method that api_search found, where no other tool does it. params: "name=value", those of its path too. Plans that disrupt or destroy need an approval.',
    input: z.strictObject(asked),
    output: z.object({
      request: z.string(),
      answer: z.string().optional(),
      run_id: z.string(),
      choices: z.array(z.string()).optional(),
      warnings: z.array(z.string()).optional(),
    }),
    sends: {},
    // A getter, because a process that only lists or reads needs none of it.
    get anyBut() {
      return neverSent(tools);
    },
    example: { method: 'POST /pools', params: ['poolid=lab', 'comment=experiments'] },
    async plan({ api }, args): Promise<PlanDraft> {
      const request = await requestFor(args, ['POST', 'PUT', 'DELETE'], tools);
      checkLimited(api, request);
      const known = (await prune(request, api)) ?? (await staged(request, api));
      const [around, explicit] = await Promise.all([
        known?.around ?? look(request, api, await contract(), tools),
        explicitDefaults(request, api),
      ]);
      const { object, binds, expected, undo } = around;
      const guests = await guestsOf(api, request, object, known?.vmids);
      const params = { ...request.params, ...explicit };
      const effect = effectOf(request);
      if (needsApproval(effect.effect ?? 'change')) refuseUnreadable(request);
      const line = plainText(`${request.api.method} ${request.path}`, 200);
      const named = guests.slice(0, MAX_NAMED).map(({ name, vmid }) => `${plainText(name, 40)} (${vmid})`);
      if (guests.length > named.length) named.push(`${guests.length - named.length} more`);
      const before = object && beforeOf(request, object);
      return {
        summary: `Send ${line}${named.length > 0 ? ` (about ${named.join(', ')})` : ''}`,
        ...effect,
        ...defined({ target: guests[0], targets: guests.length > 1 ? guests : undefined, node: request.at.node, binds }),
        steps: [
          {
            kind: 'request',
            id: 'send',
            method: request.api.method as 'POST' | 'PUT' | 'DELETE',
            path: request.path,
            params: { ...params, ...digestFor(request, object) },
            purpose: line,
            ...defined({ proof: expected[0] }),
          },
        ],
        expected,
        choices: Object.entries(explicit).map(([name, value]) => `${name}: ${value} (sent, because its default may do more)`),
        warnings: present(
          ...(known?.warnings ?? []),
          expected.length === 0 && 'no read shows the effect: after a lost answer the outcome may stay unknown',
        ),
        ...(before && Object.keys(before).length > 0 ? { before } : {}),
        ...(Object.keys(params).length > 0 ? { after: maskedJson(params) as JsonObject } : {}),
        undo,
      };
    },
    async report(_api, run) {
      const step = run.plan.steps.find((one) => one.kind === 'request');
      const data = run.steps.find(({ id }) => id === 'send')?.data as Json | undefined;
      return {
        request: step?.kind === 'request' ? `${step.method} ${step.path}` : '',
        ...(data === undefined || data === null ? {} : { answer: answerOf(data).answer }),
        ...outcomeOf(run),
      };
    },
  });

function effectOf(request: ApiRequest) {
  const { effect, name } = request;
  const because = graverBecause(request);
  if (because !== undefined) return raisedTo('destroy', because);
  return raisedTo(effect, effect !== 'change' && `${name} counts as "${effect}" (docs/api-methods.md)`);
}

/** @throws invalid_arguments for a value of which an approver would read a part alone, such as a list that ends with another user */
function refuseUnreadable({ name, at, params }: ApiRequest): void {
  for (const [key, value] of Object.entries({ ...at, ...params })) {
    const problem = unreadable([value].flat().join('\n'));
    if (problem === undefined) continue;
    fail('invalid_arguments', `${key} of ${name} ${problem}.`, { hint: 'Send less at once, or tell the user to do it in Proxmox VE.' });
  }
}

/** Parameters with which a method does more than by itself. */
function graverBecause({ name, api: { path }, at, params }: ApiRequest): string | undefined {
  const on = Object.keys(params).find((key) => params[key] === '1' && /^(force|purge|allow-move|skiplock|skip-lock|destroy)/.test(key));
  if (on !== undefined) return `${on} does more than the method by itself`;
  if (params.remove_job !== undefined) return 'remove_job removes the job, and with "full" the replicas';
  if (name === 'POST /cluster/ha/resources' && ['stopped', 'disabled'].includes(String(params.state)))
    return 'HA stops the guest and cuts its power when it does not shut down';
  const named = params.name ?? params.group ?? at.name;
  // With its own name Proxmox changes the comment alone.
  if (params.rename !== undefined && params.rename !== named) return 'rules that name the group, set or alias may lose it by a rename';
  // Proxmox compares names of aliases in lower case.
  if (path.startsWith('/cluster/firewall/aliases') && String(named).toLowerCase() === 'local_network')
    return 'local_network decides which addresses reach the nodes and this API';
  if (!CONFIG.includes(name)) return undefined;
  if (params.delete !== undefined || params.revert !== undefined) return 'it removes settings of the guest';
  if (params.smbios1 !== undefined) return 'the UUID in smbios1 is the identity of the guest';
  const device = Object.keys(params).find((key) => /^(hostpci|usb|virtiofs|dev|serial|parallel)\d+$/.test(key));
  return device === undefined ? undefined : `${device} gives the guest a device or a folder of the node`;
}

/** The digest of the object that was read, so that Proxmox refuses the request after a change in between. */
function digestFor({ api, params }: ApiRequest, object: JsonObject | undefined): { digest?: string } {
  const digest = object?.digest;
  return api.parameters.digest && params.digest === undefined && typeof digest === 'string' ? { digest } : {};
}

/** The settings that a change names, or all that a deletion removes. */
function beforeOf({ api, params }: ApiRequest, object: JsonObject): Record<string, Json> {
  const removed = itemsOf(String(params.delete ?? ''));
  const names = api.method === 'PUT' ? [...Object.keys(params), ...removed] : Object.keys(object);
  const shown = names.filter((name) => name !== 'digest' && name !== 'delete' && object[name] !== undefined).slice(0, 30);
  return Object.fromEntries(shown.map((name) => [name, maskedJson(object[name] as Json)]));
}
