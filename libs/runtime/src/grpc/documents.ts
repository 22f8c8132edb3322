/**
 * Messages and the documents of the REST API: the same names and meanings in two notations, so that one schema checks both. Proto
 * says `ENVIRONMENT_LAB`, int64 and absent; the documents say `lab`, a number, and null or absent.
 */
import type { DescEnum, DescField, DescMessage, JsonValue, Message } from '@bufbuild/protobuf';
import { fromJson, toJson } from '@bufbuild/protobuf';
import type { Schema } from '../http/operation.js';

type Document = Readonly<Record<string, unknown>>;

/** Types whose JSON form is the document's: times are RFC 3339, a Struct is an object. */
const WELL_KNOWN = 'google.protobuf.';
const LIST_FIELD = 'values';

/**
 * A request as a document. Empty lists and maps, zero and false are written only where the schema requires a value there: proto
 * cannot tell them from absent. Throws what `toJson` throws for a time out of range.
 */
export function toDocument(desc: DescMessage, message: Message, schema?: Schema): Document {
  return documentOf(desc, toJson(desc, message) as Document, schema);
}

/** An answer as a message; null is absent, and what the message does not have is left out. */
export function fromDocument(desc: DescMessage, document: unknown): Message {
  return fromJson(desc, protoJsonOf(desc, document as Document), { ignoreUnknownFields: true });
}

function documentOf(desc: DescMessage, json: Document, schema: Schema | undefined): Document {
  const properties = (schema?.['properties'] ?? {}) as Readonly<Record<string, Schema>>;
  const required = (schema?.['required'] ?? []) as readonly string[];
  const document: Record<string, unknown> = {};
  for (const field of desc.fields) {
    const name = field.jsonName;
    const value = json[name];
    if (value !== undefined) document[name] = valueOf(field, value, properties[name]);
    else if (required.includes(name)) addZero(document, field, properties[name]);
  }
  return document;
}

function valueOf(field: DescField, value: unknown, schema: Schema | undefined): unknown {
  switch (field.fieldKind) {
    case 'list':
      return (value as readonly unknown[]).map((item) => single(field, item, schema?.['items'] as Schema | undefined));
    case 'map': {
      const of = schema?.['additionalProperties'] as Schema | undefined;
      return Object.fromEntries(Object.entries(value as Document).map(([key, item]) => [key, single(field, item, of)]));
    }
    default:
      return single(field, value, schema);
  }
}

function single(field: DescField, value: unknown, schema: Schema | undefined): unknown {
  if (field.message !== undefined) {
    if (isWellKnown(field.message)) return value;
    const document = documentOf(field.message, value as Document, schema);
    return isList(field.message) ? (document[LIST_FIELD] ?? []) : document;
  }
  if (field.enum !== undefined) return wordOf(field.enum, value);
  return isNumberInText(value, schema) ? safeNumber(value) : value;
}

/** int64 is a text in proto's JSON; where the schema wants a text too, it stays one. */
function isNumberInText(value: unknown, schema: Schema | undefined): value is string {
  return typeof value === 'string' && schema?.['type'] === 'integer';
}

/** What no double holds exactly stays a text, and the schema refuses it. */
function safeNumber(text: string): unknown {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : text;
}

function addZero(document: Record<string, unknown>, field: DescField, schema: Schema | undefined): void {
  if (field.fieldKind === 'list') document[field.jsonName] = [];
  else if (field.fieldKind === 'map') document[field.jsonName] = {};
  else if (field.fieldKind === 'scalar' && !field.proto.proto3Optional) {
    const zero = zeroOf(schema);
    if (zero !== undefined) document[field.jsonName] = zero;
  }
}

const NOT_EMPTY = ['minLength', 'pattern', 'format', 'enum', 'const'];

/** Undefined = absent: then the schema says that it is required, and not that an empty text has a wrong form. */
function zeroOf(schema: Schema | undefined): unknown {
  switch (schema?.['type']) {
    case 'boolean':
      return false;
    case 'integer':
    case 'number':
      return 0;
    case 'string':
      return NOT_EMPTY.some((keyword) => keyword in schema) ? undefined : '';
    default:
      return undefined;
  }
}

function protoJsonOf(desc: DescMessage, document: Document): JsonValue {
  const json: Record<string, JsonValue> = {};
  for (const field of desc.fields) {
    const value = document[field.jsonName];
    if (value !== undefined && value !== null) json[field.jsonName] = protoValueOf(field, value);
  }
  return json;
}

function protoValueOf(field: DescField, value: unknown): JsonValue {
  switch (field.fieldKind) {
    case 'list':
      return (value as readonly unknown[]).map((item) => protoSingle(field, item));
    case 'map':
      return Object.fromEntries(Object.entries(value as Document).map(([key, item]) => [key, protoSingle(field, item)]));
    default:
      return protoSingle(field, value);
  }
}

function protoSingle(field: DescField, value: unknown): JsonValue {
  if (field.message !== undefined) {
    if (isWellKnown(field.message)) return JSON.parse(JSON.stringify(value)) as JsonValue;
    return protoJsonOf(field.message, isList(field.message) ? { [LIST_FIELD]: value } : (value as Document));
  }
  return field.enum === undefined ? (value as JsonValue) : nameOf(field.enum, String(value));
}

/** A list inside a oneof needs a message around it: one repeated field `values`. In the documents it is the list alone. */
function isList({ fields }: DescMessage): boolean {
  return fields.length === 1 && fields[0]?.jsonName === LIST_FIELD && fields[0].fieldKind === 'list';
}

function isWellKnown({ typeName }: DescMessage): boolean {
  return typeName.startsWith(WELL_KNOWN);
}

/** `ROLLOUT_KIND_SWITCHOVER_TEST` -> `switchover-test`; a number that this version does not know names itself. */
function wordOf(desc: DescEnum, name: unknown): string {
  if (typeof name === 'number') return `unknown value ${name}`;
  return wordsOf(desc).get(String(name)) ?? String(name);
}

/** A word without a value is not told: proto's readers expect to meet values that they do not know, and this one is UNSPECIFIED. */
function nameOf(desc: DescEnum, word: string): JsonValue {
  for (const [name, known] of wordsOf(desc)) if (known === word) return name;
  return 0;
}

const WORDS = new WeakMap<DescEnum, ReadonlyMap<string, string>>();

/** The documents' words by the names of an enum's values. */
export function wordsOf(desc: DescEnum): ReadonlyMap<string, string> {
  const known = WORDS.get(desc);
  if (known !== undefined) return known;
  const prefix = desc.sharedPrefix?.length ?? 0;
  const words = new Map(desc.values.map(({ name }) => [name, name.slice(prefix).toLowerCase().replaceAll('_', '-')]));
  WORDS.set(desc, words);
  return words;
}

/** Where a part of a document lies in its message: `/nodes/0/probeHost` -> `nodes[0].probe_host`. */
export function fieldPath(desc: DescMessage, segments: readonly string[]): string {
  let at: DescMessage | undefined = desc;
  let inside: DescField | undefined;
  let path = '';
  for (const segment of segments) {
    if (inside?.fieldKind === 'list') {
      path += `[${segment}]`;
      inside = undefined;
    } else if (inside?.fieldKind === 'map') {
      path += `[${JSON.stringify(segment)}]`;
      inside = undefined;
    } else {
      const field: DescField | undefined = at?.fields.find(({ jsonName }) => jsonName === segment);
      path += `${path === '' ? '' : '.'}${field?.name ?? segment}`;
      inside = field;
      at = field?.message;
    }
  }
  return path;
}
