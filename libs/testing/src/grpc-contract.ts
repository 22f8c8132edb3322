/** Compares a service's proto with the schemas of the operations that its RPCs open: neither may know a field that the other does not. */
import type { DescField, DescMessage, DescMethod } from '@bufbuild/protobuf';
import { methodsOf, wordsOf } from '@understudy/runtime';
import type { GrpcApi, OperationSpec, Schema } from '@understudy/runtime';

/** What the request says beside the operation's parts, and what an answer's headers say. */
const REQUEST_EXTRAS = ['idempotencyKey', 'expectedVersion', 'document'];
const ANSWER_EXTRAS = ['version', 'replayed'];
const PAGE_FIELDS = { limit: { type: 'integer' }, cursor: { type: 'string' } } as const;
const UNSPECIFIED = 'unspecified';

/**
 * Differences in words; empty = the two say the same. `except` names fields, as `Message.field` or `Message.*`, that are said in another
 * way on purpose.
 */
export function contractGaps(api: GrpcApi, except: readonly string[] = []): readonly string[] {
  const declared = api.controllers.flatMap(methodsOf);
  const gaps = api.services.flatMap((service) =>
    service.methods.flatMap((method) => {
      const binding = api.bindings?.[method.localName];
      const found = declared.find(({ spec }) => spec.id === (binding?.operation ?? method.localName));
      if (found === undefined) return [`${method.name} has no operation`];
      const answers = binding?.answer === undefined && method.methodKind === 'unary' ? answerGaps(method, found.spec) : [];
      return [...requestGaps(method, found.spec), ...answers];
    }),
  );
  return [...new Set(gaps)].filter(
    (gap) => !except.some((name) => gap.startsWith(name.endsWith('*') ? name.slice(0, -1) : `${name} `)),
  );
}

/** Operations that no RPC opens. */
export function unopened(api: GrpcApi): readonly string[] {
  const opened = new Set(
    api.services.flatMap(({ methods }) => methods.map(({ localName }) => api.bindings?.[localName]?.operation ?? localName)),
  );
  return api.controllers
    .flatMap(methodsOf)
    .map(({ spec }) => spec.id)
    .filter((id) => !opened.has(id));
}

function requestGaps({ input }: DescMethod, spec: OperationSpec): readonly string[] {
  const names = [...spec.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '');
  const params = Object.fromEntries(names.map((name) => [name, { type: 'string' }]));
  const around = { ...params, ...spec.query, ...(spec.list === undefined ? {} : PAGE_FIELDS) };
  const document = input.fields.find(({ jsonName }) => jsonName === 'document');
  const body = spec.body === undefined ? {} : document === undefined ? propertiesOf(spec.body) : { document: spec.body };
  const extras = input.fields.map(({ jsonName }) => jsonName).filter((name) => REQUEST_EXTRAS.includes(name));
  const properties = { ...Object.fromEntries(extras.map((name) => [name, {}])), ...around, ...body };
  const version =
    spec.ifMatch !== undefined && !extras.includes('expectedVersion') ? [`${input.name} has no expected_version`] : [];
  const key =
    spec.creates === true && spec.body !== undefined && !extras.includes('idempotencyKey')
      ? [`${input.name}.idempotency_key is missing`]
      : [];
  return [...version, ...key, ...messageGaps(input, { type: 'object', properties })];
}

function answerGaps({ output }: DescMethod, spec: OperationSpec): readonly string[] {
  const others = output.fields.filter(({ jsonName }) => !ANSWER_EXTRAS.includes(jsonName));
  const schemas = Object.values(spec.answers).flatMap(({ schema }) => (schema === undefined ? [] : [schema]));
  const [only] = others;
  if (schemas.length === 0) return others.map(({ name }) => `${output.name}.${name} has no answer`);
  if (others.length === 1 && only?.fieldKind === 'message') {
    const gaps = schemas.map((schema) => messageGaps(only.message, schema));
    return gaps.find((found) => found.length === 0) ?? gaps[0] ?? [];
  }
  return messageGaps(output, schemas[0] ?? {});
}

function messageGaps(desc: DescMessage, given: Schema): readonly string[] {
  const schema = withoutNull(given);
  const properties = propertiesOf(schema);
  // A schema that says `object` and nothing more leaves its parts to proto.
  if (Object.keys(properties).length === 0) return [];
  const known = new Set(desc.fields.map(({ jsonName }) => jsonName));
  return [
    ...Object.keys(properties)
      .filter((name) => !known.has(name))
      .map((name) => `${desc.name}.${name} is not in proto`),
    ...desc.fields.flatMap((field) => {
      const property = properties[field.jsonName];
      return property === undefined ? [`${desc.name}.${field.jsonName} is not in the schema`] : fieldGaps(field, property);
    }),
  ];
}

function fieldGaps(field: DescField, given: Schema): readonly string[] {
  const schema = withoutNull(given);
  const where = `${field.parent.name}.${field.jsonName}`;
  if (field.fieldKind === 'list')
    return schema['type'] === 'array' ? valueGaps(field, schema['items'] as Schema, where) : [`${where} is no list`];
  if (field.fieldKind === 'map')
    return typeof schema['additionalProperties'] === 'object'
      ? valueGaps(field, schema['additionalProperties'] as Schema, where)
      : [];
  return valueGaps(field, schema, where);
}

function valueGaps(field: DescField, given: Schema | undefined, where: string): readonly string[] {
  const schema = withoutNull(given ?? {});
  if (field.enum !== undefined) return enumGaps([...wordsOf(field.enum).values()], schema, where);
  if (field.message === undefined) return scalarGaps(field, schema, where);
  if (field.message.typeName.startsWith('google.protobuf.')) return [];
  const list = field.message.fields.length === 1 && field.message.fields[0]?.jsonName === 'values';
  return list ? [] : messageGaps(field.message, schema);
}

function enumGaps(words: readonly string[], schema: Schema, where: string): readonly string[] {
  const allowed = ('const' in schema ? [schema['const']] : ((schema['enum'] ?? []) as readonly unknown[])).filter(
    (word) => word !== null,
  );
  if (allowed.length === 0) return [];
  return [
    ...allowed.filter((word) => !words.includes(String(word))).map((word) => `${where} does not know ${String(word)}`),
    ...words
      .filter((word) => word !== UNSPECIFIED && !allowed.includes(word))
      .map((word) => `${where} has ${word}, the schema has not`),
  ];
}

const SCALARS: Readonly<Record<string, readonly string[]>> = {
  string: ['STRING'],
  boolean: ['BOOL'],
  integer: ['INT32', 'INT64'],
  number: ['DOUBLE'],
};

function scalarGaps(field: DescField, schema: Schema, where: string): readonly string[] {
  const type = schema['type'];
  if (typeof type !== 'string' || field.scalar === undefined) return [];
  const name = SCALAR_NAMES[field.scalar] ?? '';
  return (SCALARS[type] ?? []).includes(name) ? [] : [`${where} is ${name}, the schema says ${type}`];
}

/** Numbers of `ScalarType` in @bufbuild/protobuf that our protos use. */
const SCALAR_NAMES: Readonly<Record<number, string>> = { 1: 'DOUBLE', 3: 'INT64', 5: 'INT32', 8: 'BOOL', 9: 'STRING' };

function withoutNull(schema: Schema): Schema {
  const branches = (schema['anyOf'] ?? []) as readonly Schema[];
  const [branch] = branches.filter(({ type }) => type !== 'null');
  const chosen = branch ?? schema;
  const { type } = chosen;
  return Array.isArray(type) ? { ...chosen, type: type.find((one) => one !== 'null') } : chosen;
}

function propertiesOf(schema: Schema): Readonly<Record<string, Schema>> {
  return (schema['properties'] ?? {}) as Readonly<Record<string, Schema>>;
}
