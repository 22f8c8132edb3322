/** Shape at the door: JSON Schema 2020-12; nothing is removed, nothing is filled in, all errors are told. */
import { createRequire } from 'node:module';
import type { ErrorObject, ValidateFunction } from 'ajv/dist/2020.js';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { FormatsPlugin } from 'ajv-formats';
import { Problem } from '../problems.js';
import type { ProblemEntry } from '../problems.js';
import type { OperationSpec, Schema } from './operation.js';
import { PAGE_QUERY } from './paging.js';

// ajv-formats is CommonJS with a `default` that NodeNext cannot call; its module.exports is the plugin.
const addFormats = createRequire(import.meta.url)('ajv-formats') as FormatsPlugin;

const MAX_ERRORS = 50;
const DEFAULT_PARAM: Schema = { type: 'string', minLength: 1, maxLength: 200 };

const ajv = addFormats(
  new Ajv2020({
    allErrors: true,
    strict: true,
    strictRequired: false,
    allowUnionTypes: true,
    coerceTypes: false,
    removeAdditional: false,
    useDefaults: false,
  }),
);

type Part = 'body' | 'query' | 'path';

/** Compiled once per operation. Each throws a `Problem` that lists everything wrong in its part. */
export interface Validators {
  /** 422 VALIDATION_FAILED. */
  body(value: unknown): void;
  /** The query with numbers, booleans and arrays as declared; 400 VALIDATION_FAILED. */
  query(raw: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>>;
  /** 400 VALIDATION_FAILED. */
  params(raw: Readonly<Record<string, unknown>>): void;
}

export function validatorsOf(spec: OperationSpec): Validators {
  const querySchemas = { ...spec.query, ...(spec.list === undefined ? {} : PAGE_QUERY) };
  const required = Object.entries(querySchemas).flatMap(([name, schema]) => (schema['x-required'] === true ? [name] : []));
  const body = spec.body === undefined ? undefined : ajv.compile(spec.body);
  const query = ajv.compile({ type: 'object', additionalProperties: false, required, properties: clean(querySchemas) });
  const params = ajv.compile({ type: 'object', properties: paramsOf(spec) });
  return {
    body: (value) => {
      if (body !== undefined) check(body, value, 'body');
    },
    query: (raw) => {
      const parsed = Object.fromEntries(
        Object.entries(raw).map(([name, value]) => [name, parseQuery(value, querySchemas[name])]),
      );
      check(query, parsed, 'query');
      return parsed;
    },
    params: (raw) => check(params, raw, 'path'),
  };
}

/** Path parameters with their schemas. */
export function paramsOf(spec: OperationSpec): Readonly<Record<string, Schema>> {
  const names = [...spec.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '');
  return Object.fromEntries(names.map((name) => [name, spec.params?.[name] ?? DEFAULT_PARAM]));
}

/** `x-required` marks a query parameter that must be there; the dialect does not know it. */
function clean(schemas: Readonly<Record<string, Schema>>): Readonly<Record<string, Schema>> {
  return Object.fromEntries(Object.entries(schemas).map(([name, { 'x-required': _required, ...schema }]) => [name, schema]));
}

/** Only what a declared type demands; text that does not read as that type stays text and fails the validation. */
function parseQuery(value: unknown, schema: Schema | undefined): unknown {
  const type = schema?.['type'];
  if (type === 'array') {
    const items = (Array.isArray(value) ? value : String(value).split(',')) as readonly unknown[];
    return items.map((item) => parseQuery(item, schema?.['items'] as Schema | undefined));
  }
  return typeof value === 'string' ? parseText(value, type) : value;
}

function parseText(text: string, type: unknown): unknown {
  if (type === 'integer' && /^-?\d{1,15}$/.test(text)) return Number(text);
  if (type === 'number' && /^-?\d{1,15}(\.\d{1,15})?$/.test(text)) return Number(text);
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}

function check(validate: ValidateFunction, value: unknown, part: Part): void {
  if (validate(value)) return;
  const errors = entriesOf(validate.errors ?? [], part);
  const [first] = errors;
  const detail =
    errors.length === 1 && first !== undefined
      ? first.detail
      : `${errors.length} parts of the ${part} are not as they must be; see errors.`;
  throw new Problem(part === 'body' ? 'invalid' : 'malformed', 'VALIDATION_FAILED', detail, { errors });
}

function entriesOf(found: readonly ErrorObject[], part: Part): readonly ProblemEntry[] {
  // What a combination says about its branches is noise when a branch has said what is wrong.
  const telling = found.filter(({ keyword }) => !['if', 'anyOf', 'oneOf'].includes(keyword));
  return (telling.length > 0 ? telling : found)
    .slice(0, MAX_ERRORS)
    .map((error) => ({ ...entryOf(error), ...(part === 'body' ? {} : { in: part }) }));
}

const LIMIT_KEYWORDS = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'];
const SIZE_KEYWORDS = ['minLength', 'maxLength', 'minItems', 'maxItems', 'minProperties', 'maxProperties', 'uniqueItems'];

function entryOf({ keyword, instancePath, params, message = 'is not valid' }: ErrorObject): ProblemEntry {
  const where = instancePath === '' ? 'The document' : instancePath;
  const at = (name: unknown): string => `${instancePath}/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`;
  const more = params as Readonly<Record<string, unknown>>;
  switch (keyword) {
    case 'required':
      return {
        pointer: at(more['missingProperty']),
        code: 'REQUIRED',
        detail: `${String(more['missingProperty'])} is required here.`,
      };
    case 'additionalProperties':
    case 'unevaluatedProperties': {
      const name = more['additionalProperty'] ?? more['unevaluatedProperty'];
      return {
        pointer: at(name),
        code: 'UNKNOWN_FIELD',
        detail: `${String(name)} is not a known field here; nothing is dropped silently. Remove it or correct its name.`,
      };
    }
    case 'false schema':
      return {
        pointer: instancePath,
        code: 'NOT_ALLOWED',
        detail: `${where} does not go with what stands beside it. Remove it.`,
      };
    case 'type':
      return {
        pointer: instancePath,
        code: 'WRONG_TYPE',
        detail: `${where} must be ${String(more['type'])}; values are never converted.`,
      };
    case 'enum':
      return {
        pointer: instancePath,
        code: 'NOT_ALLOWED',
        detail: `${where} must be one of ${(more['allowedValues'] as readonly unknown[]).map(String).join(', ')}.`,
      };
    case 'const':
      return { pointer: instancePath, code: 'NOT_ALLOWED', detail: `${where} must be ${JSON.stringify(more['allowedValue'])}.` };
    case 'format':
      return { pointer: instancePath, code: 'WRONG_FORMAT', detail: `${where} must be a ${String(more['format'])}.` };
    case 'pattern':
      return { pointer: instancePath, code: 'WRONG_FORMAT', detail: `${where} must match ${String(more['pattern'])}.` };
    default:
      return { pointer: instancePath, code: codeOf(keyword), detail: `${where} ${message}.` };
  }
}

function codeOf(keyword: string): string {
  if (LIMIT_KEYWORDS.includes(keyword)) return 'OUT_OF_RANGE';
  return SIZE_KEYWORDS.includes(keyword) ? 'WRONG_SIZE' : 'INVALID';
}
