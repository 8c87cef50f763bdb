import type { Tool, ToolAnnotations } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { defined } from '../core/defined.ts';
import { isObject } from '../core/text/json.ts';
import { changesNothing, type Offered, releases } from '../operations/available.ts';
import { inputOf } from '../operations/by-name.ts';
import { type Common, commonOf } from '../operations/common.ts';
import type { Operation } from '../operations/define.ts';

type JsonSchema = { [key: string]: unknown; properties?: Record<string, unknown> };

/** Parameters of every operation of an effect, stated once so that no operation repeats them. */
const COMMON = {
  dry_run: { type: 'boolean' },
  wait_seconds: { type: 'integer', description: 'For the end (45)' },
  reason: { type: 'string', description: 'Shown to the human' },
} as const satisfies Record<Common, object>;

/** The part of an operation that a server needs before a call. The build writes it beside the bundle, as JSON. */
export interface OfferedTool extends Offered {
  tool: Tool;
}

export function offeredTool(operation: Operation): OfferedTool {
  const { name, toolset, effect } = operation;
  const control = operation.effect === 'control' ? { decides: operation.decides, ...defined({ releases: operation.releases }) } : {};
  const read = operation.effect === 'read' ? defined({ ofNoCluster: operation.ofNoCluster }) : {};
  return { name, toolset, effect, ...control, ...read, tool: toolDefinition(operation) };
}

/** The tool as clients list it, derived from the operation alone. */
export function toolDefinition(operation: Operation): Tool {
  const input = withoutBounds(jsonSchema(inputOf(operation), 'input')) as JsonSchema;
  const common = Object.fromEntries(commonOf(operation).map((name) => [name, COMMON[name]]));
  return {
    name: operation.name,
    title: operation.title,
    description: operation.description,
    inputSchema: { ...input, type: 'object', properties: { ...input.properties, ...common } } as Tool['inputSchema'],
    outputSchema: looseOutput(operation),
    annotations: annotationsOf(operation),
    ...(releases(operation) ? { _meta: { 'anthropic/requiresUserInteraction': true } } : {}),
  };
}

function annotationsOf(operation: Operation): ToolAnnotations {
  const readOnly = changesNothing(operation);
  return {
    readOnlyHint: readOnly,
    destructiveHint: operation.effect === 'disrupt' || operation.effect === 'destroy' || releases(operation),
    // An operation that creates a guest may create a second one when repeated with other defaults.
    idempotentHint: !('reserves' in operation && operation.reserves !== undefined),
    openWorldHint: false,
  };
}

/** Members that other answers have too: a finished call must not narrow their types. */
const SHARED = { status: 'string', plan: 'object', summary: 'string', next: 'string', progress: 'string' };

/** Rows of cells in the order of the columns; a cell may be of any type. */
const TABLE = { columns: { type: 'array', items: { type: 'string' } }, rows: { type: 'array', items: { type: 'array' } } };

/**
 * The output as advertised: the names and types of what a finished call answers, with nothing required and more allowed, because the same
 * tool also answers a dry-run's plan, `approval_required` or `running`. Exact schemas would cost three times the tokens.
 */
function looseOutput({ output, table, tables = [] }: Operation): NonNullable<Tool['outputSchema']> {
  const { properties: all = {} } = loosen(jsonSchema(output, 'output')) as JsonSchema;
  const { [table ?? '']: _list, ...members } = all;
  const properties: Record<string, unknown> = { ...(table === undefined ? {} : TABLE), ...members };
  for (const name of tables) properties[name] = { type: 'object', properties: TABLE };
  for (const [shared, type] of Object.entries(SHARED)) if (shared in properties) properties[shared] = { type };
  return { type: 'object', properties } as NonNullable<Tool['outputSchema']>;
}

function loosen(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(loosen);
  if (!isObject(value)) return value;
  const { required: _required, additionalProperties, propertyNames: _names, properties, ...rest } = value as JsonSchema;
  return {
    ...mapValues(rest, loosen),
    ...(isObject(properties) && Object.keys(properties).length > 0 ? { properties: mapValues(properties, loosen) } : {}),
    // A schema for further members describes a record. `false` only forbids, and an empty one describes nothing.
    ...(isObject(additionalProperties) && Object.keys(additionalProperties).length > 0
      ? { additionalProperties: loosen(additionalProperties) }
      : {}),
  };
}

const BOUNDS = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'minLength', 'maxLength', 'minItems', 'maxItems', 'pattern'];

/** The engine checks every bound, and its error says the limit: a quarter of the list's tokens would only repeat them. */
function withoutBounds(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutBounds);
  if (!isObject(schema)) return schema;
  const { properties, ...rest } = schema;
  return {
    ...mapValues(Object.fromEntries(Object.entries(rest).filter(([key]) => !BOUNDS.includes(key))), withoutBounds),
    ...(isObject(properties) ? { properties: mapValues(properties, withoutBounds) } : {}),
  };
}

function jsonSchema(schema: z.ZodObject, io: 'input' | 'output'): JsonSchema {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest as JsonSchema;
}

function mapValues(record: Record<string, unknown>, change: (value: unknown) => unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
