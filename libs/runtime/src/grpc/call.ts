/**
 * A request message as the `Call` of an operation. By the names of its fields: path and query parameters of the operation;
 * `idempotency_key` and `expected_version`; `document` is the body as a whole, and without it all other fields together are.
 */
import type { DescMessage, Message } from '@bufbuild/protobuf';
import type { Metadata } from '@grpc/grpc-js';
import type { Actor } from '@understudy/event-log';
import type { Call, OperationSpec, Schema } from '../http/operation.js';
import { pageFrom, PAGE_QUERY } from '../http/paging.js';
import { paramsOf } from '../http/validate.js';
import type { Validators } from '../http/validate.js';
import { derivedId, fingerprintOf, newId } from '../ids.js';
import { Problem } from '../problems.js';
import type { ProblemEntry } from '../problems.js';
import { fieldPath, toDocument } from './documents.js';

const DOCUMENT = 'document';
const KEY_FIELD = 'idempotencyKey';
const VERSION_FIELD = 'expectedVersion';
const KEY = /^[\x21-\x7e]{1,200}$/;
/** `Call.accept` of a stream's call: `reply.items` leaves the items as they are. */
export const GRPC_TYPE = 'application/grpc';

/** Of one method: how its requests become calls. */
export interface RequestForm {
  readonly input: DescMessage;
  readonly spec: OperationSpec;
  readonly checks: Validators;
  /** Parameters of the query that the request says in another way, or that this method fixes. */
  readonly query?: (request: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>;
  readonly accept?: (request: Readonly<Record<string, unknown>>) => string;
}

export interface Caller {
  readonly actor: Actor;
  readonly traceparent: string;
  readonly metadata: Metadata;
  readonly signal: AbortSignal;
}

/** Throws `Problem`s: the same as REST for the same mistakes. */
export function callOf(form: RequestForm, message: Message, caller: Caller): Call {
  const { spec, checks, input } = form;
  const request = toDocument(input, message, requestSchema(spec));
  const params = Object.fromEntries(Object.keys(paramsOf(spec)).map((name) => [name, String(request[name] ?? '')]));
  checks.params(params);
  const query = checks.query(form.query?.(request) ?? picked(request, Object.keys(queryOf(spec))));
  const key = idempotencyKey(request[KEY_FIELD], spec, form);
  const expectedVersion = versionOf(request[VERSION_FIELD], spec);
  const body = bodyOf(request, form);
  if (body !== undefined) checks.body(body);
  const { actor, traceparent, signal } = caller;
  const id = key === undefined ? newId() : derivedId(actor.subject, spec.method, filled(spec.path, params), key);
  return {
    body,
    query,
    params,
    actor,
    metadata: { commandId: id, actor, traceparent, ...(key === undefined ? {} : { fingerprint: fingerprintOf(body ?? null) }) },
    newId: id,
    expectedVersion,
    accept: form.accept?.(request) ?? 'application/json',
    page: (filter = {}, keys = undefined) => pageFrom(spec.list ?? spec.id, query, filter, keys),
    header: (name) => caller.metadata.get(name)[0]?.toString(),
    signal,
  };
}

/** Where an entry of a problem lies in the request message. */
export function fieldOf({ input, spec }: Pick<RequestForm, 'input' | 'spec'>): (entry: ProblemEntry) => string {
  const within = hasDocument(input) && spec.body !== undefined ? [DOCUMENT] : [];
  return ({ pointer, in: part }) => {
    const segments = pointer
      .split('/')
      .slice(1)
      .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'));
    if (pointer === '' || segments[0] === DOCUMENT) return fieldPath(input, segments);
    return fieldPath(
      input,
      part === undefined && segments[0] !== KEY_FIELD && segments[0] !== VERSION_FIELD ? [...within, ...segments] : segments,
    );
  };
}

/** The shape of the whole message, put together from the operation's parts. */
function requestSchema(spec: OperationSpec): Schema {
  const body = spec.body ?? {};
  const properties = { ...(body['properties'] as Record<string, Schema> | undefined), ...queryOf(spec), ...spec.params };
  return {
    properties: { ...properties, [VERSION_FIELD]: { type: 'integer' }, [DOCUMENT]: body },
    required: body['required'] ?? [],
  };
}

function queryOf(spec: OperationSpec): Readonly<Record<string, Schema>> {
  return { ...spec.query, ...(spec.list === undefined ? {} : PAGE_QUERY) };
}

function picked(request: Readonly<Record<string, unknown>>, names: readonly string[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(names.flatMap((name) => (request[name] === undefined ? [] : [[name, request[name]]])));
}

function hasDocument(input: DescMessage): boolean {
  return input.fields.some(({ jsonName }) => jsonName === DOCUMENT);
}

function bodyOf(request: Readonly<Record<string, unknown>>, { input, spec }: RequestForm): unknown {
  if (spec.body === undefined) return undefined;
  if (!hasDocument(input)) {
    const elsewhere = new Set([...Object.keys(paramsOf(spec)), ...Object.keys(queryOf(spec)), KEY_FIELD, VERSION_FIELD]);
    return Object.fromEntries(Object.entries(request).filter(([name]) => !elsewhere.has(name)));
  }
  const document = request[DOCUMENT];
  if (document === undefined) throw missing(DOCUMENT, 'DOCUMENT_REQUIRED', 'document is required here.');
  return document;
}

function missing(field: string, code: string, detail: string): Problem {
  return new Problem('invalid', code, detail, { errors: [{ pointer: `/${field}`, code: 'REQUIRED', detail }] });
}

function idempotencyKey(text: unknown, spec: OperationSpec, form: RequestForm): string | undefined {
  if (text === undefined) {
    const hasKey = form.input.fields.some(({ jsonName }) => jsonName === KEY_FIELD);
    if (spec.creates !== true || !hasKey) return undefined;
    const detail = 'Send an idempotency_key (a UUID), so that this call can be repeated safely after a lost answer.';
    throw missing(KEY_FIELD, 'IDEMPOTENCY_KEY_REQUIRED', detail);
  }
  if (typeof text === 'string' && KEY.test(text)) return text;
  const detail = 'An idempotency_key has 1 to 200 printable characters without spaces.';
  throw new Problem('invalid', 'IDEMPOTENCY_KEY_INVALID', detail, {
    errors: [{ pointer: `/${KEY_FIELD}`, code: 'WRONG_FORMAT', detail }],
  });
}

/** Absent = any version, where the operation allows that. */
function versionOf(version: unknown, { ifMatch }: OperationSpec): number | undefined {
  if (version === undefined && ifMatch === 'required') {
    const detail = 'Send the version of your last read as expected_version, so that nobody else’s change is overwritten.';
    throw missing(VERSION_FIELD, 'EXPECTED_VERSION_REQUIRED', detail);
  }
  return typeof version === 'number' ? version : undefined;
}

/** The path as REST would be asked for, so that one key means one thing at both doors. */
function filled(path: string, params: Readonly<Record<string, string>>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
}
