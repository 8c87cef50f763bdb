import * as z from 'zod';
import type { Json } from '../../core/text/json.ts';
import { type ApiRead, defineOperation, type Operation } from '../define.ts';
import { rightsOf } from '../rights.ts';
import { answerOf } from './lib/answer.ts';
import { neverSent } from './lib/classes.ts';
import { checkLimited } from './lib/guests.ts';
import { asked, queryOf, requestFor } from './lib/request.ts';

/** Any GET method except those that are never sent (lib/never.ts). */
export const apiRead = (tools: readonly Operation[]) =>
  defineOperation({
    name: 'api_read',
    title: 'Read from the API',
    effect: 'read',
    toolset: 'api',
    description: 'Sends a GET method that api_search found. params: "name=value", those of its path too.',
    input: z.strictObject({ ...asked, from: z.int().min(0).default(0) }),
    output: z.object({ answer: z.string(), notice: z.string().optional() }),
    example: { method: 'GET /pools' },
    // A getter, because a process that only lists or reads needs none of it.
    get anyBut() {
      return neverSent(tools);
    },
    preview: ({ method, params }) => [previewOf(method, params)],
    async read({ api }, { method, params, from }) {
      const request = await requestFor({ method, params }, ['GET'], tools);
      checkLimited(api, request);
      const data = await api.get<Json>(request.path, queryOf(request));
      const found = answerOf(data, from);
      if (!Array.isArray(data) || data.length > 0) return found;
      const { needs } = await rightsOf({ reads: [request.name as ApiRead] });
      const shows = [...new Set(needs.map(({ anyOf }) => anyOf.join(' or ')))].join(', ');
      return { ...found, notice: `${found.notice}${shows === '' ? '' : ` (rows show with ${shows})`}` };
    },
  });

function previewOf(method: string, params: readonly string[]): string {
  const given = new Map(params.map((one) => [one.split('=', 1)[0] ?? '', one.slice(one.indexOf('=') + 1)]));
  return method.replaceAll(/\{([^}]+)\}/g, (name, key: string) => encodeURIComponent(given.get(key) ?? name));
}
