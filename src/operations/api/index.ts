import type { Operation } from '../define.ts';
import { apiChange } from './api-change.ts';
import { apiRead } from './api-read.ts';
import { apiSearch } from './api-search.ts';

/** The operations for methods that no other operation covers. @param tools the other operations */
export const apiTools = (tools: readonly Operation[]): Operation[] => [apiSearch(tools), apiRead(tools), apiChange(tools)];
