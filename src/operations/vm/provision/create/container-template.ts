import { fail } from '../../../../core/errors/errors.ts';
import { plainText } from '../../../../core/text/text.ts';
import { requireSight } from '../../../storage/lib/one-storage.ts';
import { few, type Shelf, volumes } from '../choose/at-hand.ts';

/**
 * The archive from which a container is made: by volume id, file name, or the start of one.
 * @throws storage_unavailable, ambiguous; both list those that the token can see
 */
export async function findTemplate(shelf: Shelf, wanted: string | undefined): Promise<{ volid: string; name: string; choices: string[] }> {
  const { node, storages } = shelf;
  const all = await volumes(shelf, 'vztmpl');
  const nameOf = (volid: string) => volid.slice(volid.lastIndexOf('/') + 1);
  const exact = all.filter((volid) => volid === wanted || nameOf(volid) === wanted);
  const found = exact.length > 0 ? exact : all.filter((volid) => wanted === undefined || nameOf(volid).startsWith(wanted));
  const [volid] = found;
  if (volid !== undefined && found.length === 1) {
    const name = plainText(nameOf(volid), 120);
    return { volid, name, choices: volid === wanted ? [] : [`template: ${plainText(volid, 200)}`] };
  }
  const details = { candidates: all.map((one) => plainText(one, 200)) };
  if (found.length > 1)
    fail('ambiguous', `${found.length} container templates match on ${node}.`, { hint: `Choose one of: ${few(found)}.`, details });
  const places = storages.filter((s) => s.content.includes('vztmpl')).map((s) => s.storage);
  if (all.length === 0) await requireSight(shelf.api, 'Seeing container templates', places.length > 0 ? places : [undefined]);
  const what = wanted === undefined ? 'No container template' : `No container template ${plainText(wanted, 120)}`;
  fail('storage_unavailable', `${what} is visible on ${node}.`, {
    hint:
      all.length > 0 ? `Choose one of: ${few(all)}.` : 'Ask the operator to download one: pveam update, then pveam download local NAME.',
    details,
  });
}
