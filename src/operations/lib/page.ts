import { costsAtMost, roughTokens } from '../../core/text/tokens.ts';

/** Tokens of the rows of one page at most; the answer around them has room within what a model bears. */
const PAGE_TOKENS = 4500;
/** So few rows are measured at once. */
const FEW = 25;

/**
 * The rows of one page: at most `limit`, and no more than one answer bears.
 * @param cells what a model will see of a row
 */
export function pageOf<Row>(rows: readonly Row[], limit: number, cells: (row: Row) => unknown[]): Row[] {
  const most = rows.slice(0, limit);
  if (most.length <= FEW && costsAtMost(JSON.stringify(most.map(cells)), PAGE_TOKENS)) return most;
  const page: Row[] = [];
  let tokens = 0;
  for (const row of most) {
    tokens += roughTokens(JSON.stringify(cells(row)));
    if (tokens > PAGE_TOKENS && page.length > 0) break;
    page.push(row);
  }
  return page;
}
