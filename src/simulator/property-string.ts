/** The parser's view of a declared property. */
export interface Field {
  type?: string;
  optional?: unknown;
  default?: unknown;
  default_key?: unknown;
  alias?: string;
  keyAlias?: string;
  requires?: string;
}
export type Format<F extends Field = Field> = Record<string, F>;

export interface Parsed {
  values: Record<string, string>;
  errors: Record<string, string>;
  /** A fault in the text as a whole; the fields are then not looked at. */
  broken?: string;
}

const BOOLEAN_WORDS: Record<string, string> = { yes: '1', on: '1', true: '1', no: '0', off: '0', false: '0', '1': '1', '0': '0' };

/** Parses `virtio=AA:..,bridge=vmbr0` or `local:1,format=raw`: a default key may come without its name, aliases are resolved. */
export function parsePropertyString<F extends Field>(
  format: Format<F>,
  text: string,
  check: (declared: F, value: string) => string | undefined,
): Parsed {
  const defaultKey = Object.keys(format).find((key) => format[key]?.default_key);
  const values: Record<string, string> = {};
  const errors: Record<string, string> = {};
  for (const part of text.split(',')) {
    if (/^\s*$/.test(part)) continue;
    const named = /^([^=]+)=(.+)$/s.exec(part);
    if (named) {
      let key = named[1] as string;
      const declared = format[key];
      if (declared?.keyAlias) {
        if (values[declared.keyAlias] !== undefined)
          return { values, errors, broken: `duplicate key in comma-separated list property: ${declared.keyAlias}` };
        values[declared.keyAlias] = key;
      }
      if (declared?.alias) key = declared.alias;
      if (values[key] !== undefined) return { values, errors, broken: `duplicate key in comma-separated list property: ${key}` };
      const value = named[2] as string;
      values[key] = format[key]?.type === 'boolean' ? (BOOLEAN_WORDS[value.toLowerCase()] ?? value) : value;
    } else if (/^[^=]+$/.test(part) && defaultKey) {
      if (values[defaultKey] !== undefined)
        return { values, errors, broken: `duplicate key in comma-separated list property: ${defaultKey}` };
      values[defaultKey] = part;
    } else {
      return {
        values,
        errors,
        broken: part.includes('=')
          ? 'missing key in comma-separated list property'
          : 'value without key, but schema does not define a default key',
      };
    }
  }
  for (const [key, value] of Object.entries(values)) {
    const declared = format[key];
    if (!declared || declared.alias) errors[key] = 'property is not defined in schema and the schema does not allow additional properties';
    else {
      const wrong = check(declared, value);
      if (wrong) errors[key] = wrong;
    }
  }
  for (const [key, declared] of Object.entries(format)) {
    if (declared.alias || declared.optional || values[key] !== undefined || declared.default !== undefined) continue;
    errors[key] = 'property is missing and it is not optional';
  }
  for (const [key, declared] of Object.entries(format)) {
    if (declared.requires && values[key] !== undefined && values[declared.requires] === undefined) {
      errors[declared.requires] = `missing property - '${key}' requires this property`;
    }
  }
  return { values, errors };
}

/** Prints it the way the implementation stores it: the default key first and bare, the rest sorted. */
export function printPropertyString(format: Format, values: Record<string, string>): string {
  const defaultKey = Object.keys(format).find((key) => format[key]?.default_key);
  const rest = { ...values };
  const parts: string[] = [];
  if (defaultKey && rest[defaultKey] !== undefined) {
    const first = rest[defaultKey] as string;
    delete rest[defaultKey];
    const aliased = Object.entries(format).find(([name, declared]) => name === first && declared.keyAlias === defaultKey)?.[1].alias;
    if (aliased && rest[aliased] !== undefined) {
      parts.push(`${first}=${rest[aliased]}`);
      delete rest[aliased];
    } else parts.push(first);
  }
  for (const key of Object.keys(rest).sort()) parts.push(`${key}=${rest[key]}`);
  return parts.join(',');
}
