/** The OpenAPI 3.1 document of one service, made from its operations alone; kept as a file and compared by a spec. */
import { Controller } from '@nestjs/common';
import type { Type } from '@nestjs/common';
import { DOOR_STATUS } from '../problems.js';
import type { FailureKind } from '../problems.js';
import { DEFAULT_TYPE, Operation, operationsOf } from './operation.js';
import type { Answer, OperationSpec, Schema } from './operation.js';
import { PAGE_QUERY } from './paging.js';
import { reply } from './reply.js';
import type { Reply } from './reply.js';
import { paramsOf } from './validate.js';

/** What a service exports about its REST door. */
export interface Api {
  /** Name of the service, as in its paths and topics. */
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly controllers: readonly Type[];
}

type Json = Readonly<Record<string, unknown>>;

const API_VERSION = '1.0.0';

const PROBLEM: Schema = {
  title: 'Problem',
  description: 'RFC 9457. `type` is urn:understudy:problem:<code in kebab case> and stable; `errors` point into the request.',
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'instance', 'code', 'retryable', 'traceId'],
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    instance: { type: 'string' },
    code: { type: 'string' },
    retryable: { type: 'boolean' },
    traceId: { type: 'string' },
    errors: {
      type: 'array',
      items: {
        title: 'ProblemEntry',
        type: 'object',
        required: ['pointer', 'code', 'detail'],
        properties: {
          pointer: { type: 'string', description: 'JSON Pointer; empty = the whole.' },
          code: { type: 'string' },
          detail: { type: 'string' },
          in: { type: 'string', enum: ['query', 'path', 'header'], description: 'Absent = the body.' },
        },
      },
    },
  },
};

/** Builds the document. Throws if two different schemas carry one title, or two operations one id. */
export function openApiDocument(api: Api): Json {
  const components = new Components();
  const operations = api.controllers.flatMap(operationsOf);
  const ids = operations.map(({ id }) => id);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined) throw new Error(`two operations are called ${twice}`);
  const paths: Record<string, Record<string, unknown>> = {};
  for (const spec of operations) (paths[spec.path] ??= {})[spec.method.toLowerCase()] = operationJson(spec, components);
  return {
    openapi: '3.1.1',
    info: {
      title: api.title,
      version: API_VERSION,
      description: api.description,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    servers: [{ url: '/' }],
    tags: [...new Set(operations.map(({ tag }) => tag))].map((name) => ({ name })),
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'Made by `understudy token create`.' } },
      schemas: components.schemas(),
    },
  };
}

/** A controller that answers the document at `/v1/<name>/openapi.json`, without a token. */
export function openApiController(api: Api): Type {
  @Controller()
  class OpenApiController {
    private readonly document = openApiDocument(api);

    @Operation({
      method: 'GET',
      path: `/v1/${api.name}/openapi.json`,
      id: `${api.name}OpenApi`,
      summary: 'This document',
      tag: 'documents',
      role: 'public',
      answers: { 200: { description: 'OpenAPI 3.1.', schema: { type: 'object' } } },
    })
    get(): Reply {
      return reply.ok(this.document);
    }
  }
  return OpenApiController;
}

class Components {
  private readonly byTitle = new Map<string, { readonly source: Schema; json: unknown }>();

  /** The schema with titled parts hoisted. */
  refer(schema: Schema): unknown {
    const title = schema['title'];
    if (typeof title !== 'string') return this.inner(schema);
    const known = this.byTitle.get(title);
    if (known === undefined) {
      const entry = { source: schema, json: undefined as unknown };
      this.byTitle.set(title, entry);
      entry.json = this.inner(schema);
    } else if (known.source !== schema && JSON.stringify(known.source) !== JSON.stringify(schema)) {
      throw new Error(`two different schemas are called ${title}`);
    }
    return { $ref: `#/components/schemas/${title}` };
  }

  schemas(): Json {
    return Object.fromEntries([...this.byTitle].sort(([a], [b]) => (a < b ? -1 : 1)).map(([title, { json }]) => [title, json]));
  }

  private inner(value: unknown, key = ''): unknown {
    if (Array.isArray(value)) return value.map((item) => (isSchema(item) ? this.refer(item) : item));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => {
        const namesFields = key !== 'properties' && ['properties', '$defs', 'patternProperties'].includes(name);
        if (namesFields) return [name, this.inner(item, 'properties')];
        if (['enum', 'const', 'examples', 'default'].includes(name) && key !== 'properties') return [name, item];
        return [name, isSchema(item) ? this.refer(item) : this.inner(item)];
      }),
    );
  }
}

function isSchema(value: unknown): value is Schema {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function operationJson(spec: OperationSpec, components: Components): Json {
  const body = spec.body === undefined ? undefined : components.refer(spec.body);
  const types = ['application/json', ...(spec.yaml === true ? ['application/yaml'] : [])];
  return {
    operationId: spec.id,
    summary: spec.summary,
    ...(spec.description === undefined ? {} : { description: spec.description }),
    tags: [spec.tag],
    ...(spec.role === 'public' ? { security: [] } : { 'x-role': spec.role }),
    parameters: parametersOf(spec, components),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: Object.fromEntries(types.map((type) => [type, { schema: body }])) } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(spec.answers).map(([status, answer]) => [status, answerJson(spec, answer, components)]),
      ),
      ...problemAnswers(spec, components),
    },
  };
}

function parametersOf(spec: OperationSpec, components: Components): readonly Json[] {
  const query = { ...spec.query, ...(spec.list === undefined ? {} : PAGE_QUERY) };
  const headerOf = (name: string, required: boolean, description: string, schema: Schema = { type: 'string' }): Json => ({
    name,
    in: 'header',
    required,
    description,
    schema,
  });
  return [
    ...Object.entries(paramsOf(spec)).map(([name, schema]) => ({
      name,
      in: 'path',
      required: true,
      schema: components.refer(schema),
    })),
    ...Object.entries(query).map(([name, { 'x-required': required, ...schema }]) => ({
      name,
      in: 'query',
      required: required === true,
      schema: components.refer(schema),
    })),
    ...(spec.method === 'POST'
      ? [
          headerOf(
            'Idempotency-Key',
            spec.creates === true,
            'The same key with the same request has the same effect, once; quoted or not.',
            { type: 'string', minLength: 1, maxLength: 200 },
          ),
        ]
      : []),
    ...(spec.ifMatch === undefined ? [] : [headerOf('If-Match', spec.ifMatch === 'required', 'ETag of the last GET.')]),
    headerOf('traceparent', false, 'W3C Trace Context.'),
  ];
}

function answerJson(spec: OperationSpec, answer: Answer, components: Components): Json {
  const headers: Record<string, string> = {
    ...(spec.ifMatch !== undefined ? { ETag: 'Version of the document.' } : {}),
    ...(spec.creates === true
      ? { Location: 'Where the new document is.', 'Idempotency-Replayed': '`true` when this key was answered before.' }
      : {}),
    ...answer.headers,
  };
  const schema = answer.schema === undefined ? undefined : components.refer(answer.schema);
  const contentOf = (type: string): Json => (type === DEFAULT_TYPE ? { schema } : { schema: { type: 'string' } });
  return {
    description: answer.description,
    ...(Object.keys(headers).length === 0
      ? {}
      : {
          headers: Object.fromEntries(
            Object.entries(headers).map(([name, description]) => [name, { description, schema: { type: 'string' } }]),
          ),
        }),
    ...(schema === undefined
      ? {}
      : { content: Object.fromEntries((answer.types ?? [DEFAULT_TYPE]).map((type) => [type, contentOf(type)])) }),
  };
}

function problemAnswers(spec: OperationSpec, components: Components): Json {
  const guarded: readonly FailureKind[] = spec.role === 'public' ? [] : ['unauthenticated', 'forbidden'];
  const addressed: readonly FailureKind[] = spec.path.includes('{') ? ['not-found'] : [];
  const written: readonly FailureKind[] = spec.method === 'GET' ? [] : ['conflict', 'invalid', 'locked'];
  const carried: readonly FailureKind[] = spec.body === undefined ? [] : ['too-large', 'unsupported-media-type'];
  const matched: readonly FailureKind[] = spec.ifMatch === undefined ? [] : ['precondition', 'precondition-required'];
  const kinds: readonly FailureKind[] = [
    'malformed',
    ...guarded,
    ...addressed,
    'not-acceptable',
    ...written,
    ...carried,
    ...matched,
    'internal',
    'unavailable',
  ];
  const schema = components.refer(PROBLEM);
  return Object.fromEntries(
    kinds.map((kind) => [
      DOOR_STATUS[kind].http,
      { description: DOOR_STATUS[kind].title, content: { 'application/problem+json': { schema } } },
    ]),
  );
}
