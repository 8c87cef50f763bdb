import type { Operation } from '../define.ts';
import { apiChange } from './api-change.ts';
import { apiRead } from './api-read.ts';
import { apiSearch } from './api-search.ts';

/** The tools for all that no tool covers. @param tools those that there are beside them */
export const apiTools = (tools: readonly Operation[]): Operation[] => [apiSearch(tools), apiRead(tools), apiChange(tools)];
