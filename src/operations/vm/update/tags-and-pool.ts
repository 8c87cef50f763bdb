import { defined } from '../../../core/defined.ts';
import { fail } from '../../../core/errors/errors.ts';
import type { Plan } from '../../../core/plan/plan.ts';
import { plainText } from '../../../core/text/text.ts';
import type { OperationContext } from '../../define.ts';
import { sameName } from '../lib/match.ts';
import { sortedTags } from '../lib/tags.ts';
import { label, type Target } from '../lib/target.ts';
import { refuseUnusablePool } from '../provision/choose/pool.ts';
import { type Facet, facet } from './facet.ts';

interface PlaceArgs {
  add_tags?: string[] | undefined;
  remove_tags?: string[] | undefined;
  pool?: string | undefined;
}

/** Tags are a set: the others stay. Tags and pools decide who may act on a guest, so a guest of another creator needs an approval. */
export async function tagsAndPoolFacet(
  ctx: OperationContext,
  { guest, row }: Target,
  args: PlaceArgs,
  createdHere: boolean,
): Promise<Facet & { moves?: NonNullable<Plan['moves']> }> {
  const gone = new Set((args.remove_tags ?? []).map((tag) => tag.toLowerCase()));
  const both = args.add_tags?.find((tag) => gone.has(tag.toLowerCase()));
  if (both !== undefined) fail('invalid_arguments', `The tag ${both} is in add_tags and in remove_tags.`);
  // Proxmox compares tags without case, unless the operator set another style: then a guest may have both, and keeps them.
  const isNew = (tag: string, index: number, all: readonly string[]) =>
    ![...guest.tags, ...all.slice(0, index)].some((one) => sameName(one, tag));
  const tags = [...guest.tags, ...(args.add_tags ?? []).filter(isNew)].filter((tag) => !gone.has(tag.toLowerCase()));
  const [now, next] = [sortedTags(guest.tags), sortedTags(tags)];
  const retags = now !== next;
  const wanted = args.pool === 'none' ? undefined : args.pool;
  const moves = args.pool !== undefined && wanted !== row.pool;
  if (!retags && !moves) return facet();
  if (moves) await refuseUnusablePool(ctx.api, wanted);
  const changedTags = [...tags.filter((tag) => !guest.tags.includes(tag)), ...guest.tags.filter((tag) => !tags.includes(tag))];
  const of = label(guest);
  const poolid = wanted ?? row.pool;
  return {
    ...facet({
      changes: [
        ...(retags ? [{ keys: ['tags'], text: `tags ${shown(now)} → ${shown(next)}` }] : []),
        ...(moves ? [{ keys: ['pool'], text: `pool ${shown(row.pool ?? '')} → ${shown(wanted ?? '')}` }] : []),
      ],
      ...(retags ? (next === '' ? { remove: ['tags'], has: { tags: null } } : { set: { tags: next }, has: { tags: next } }) : {}),
      steps:
        moves && poolid !== undefined
          ? [
              () => ({
                kind: 'request',
                id: 'pool',
                method: 'PUT',
                path: '/pools',
                params: { poolid, vms: String(guest.at.vmid), ...(wanted === undefined ? { delete: true } : { 'allow-move': true }) },
                purpose: wanted === undefined ? `take ${of} out of pool ${poolid}` : `move ${of} to pool ${poolid}`,
              }),
            ]
          : [],
      before: { ...(retags ? { tags: now } : {}), ...(moves ? { pool: row.pool ?? null } : {}) },
      after: { ...(retags ? { tags: next } : {}), ...(moves ? { pool: wanted ?? null } : {}) },
      warnings: moves ? ['a pool decides who has rights on the guest'] : [],
      raises: createdHere
        ? []
        : [{ effect: 'disrupt', because: 'the guest was not created through this server, and its tags or pool decide who may act on it' }],
      undo: [...(retags ? [`tags back to ${shown(now)}`] : []), ...(moves ? [`pool back to ${shown(row.pool ?? '')}`] : [])],
    }),
    moves: {
      tags: changedTags,
      pools: moves ? Object.values(defined({ from: row.pool, to: wanted })) : [],
      from: { template: guest.template, tags: guest.tags, ...defined({ pool: row.pool }) },
      to: { tags, ...defined({ pool: moves ? wanted : row.pool }) },
    },
  };
}

function shown(text: string): string {
  return text === '' ? 'none' : plainText(text, 120);
}
