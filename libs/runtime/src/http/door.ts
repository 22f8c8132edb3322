/** The way in, the same for every operation: trace, token and role before the body is read; then negotiation, validation, the `Call`. */
import type { Actor } from '@understudy/event-log';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { derivedId, fingerprintOf, newId, traceparentOf } from '../ids.js';
import { Problem } from '../problems.js';
import { roleIncludes } from '../tokens.js';
import type { Role, TokenStore } from '../tokens.js';
import { YAML_TYPES, addBodyParsers } from './body.js';
import { typesOf } from './operation.js';
import type { Call, OperationSpec } from './operation.js';
import { pageFrom } from './paging.js';
import { validatorsOf } from './validate.js';
import type { Validators } from './validate.js';

const KEY = /^[\x21-\x7e]{1,200}$/;

/** Adds the hooks to a Fastify instance whose routes carry `config.operation`. */
export function openDoor(fastify: FastifyInstance, tokens: TokenStore): void {
  const validators = new Map<OperationSpec, Validators>();
  addBodyParsers(fastify);
  fastify.decorateRequest('traceparent', '');
  fastify.addHook('onRoute', ({ config }) => {
    if (config?.operation !== undefined) validators.set(config.operation, validatorsOf(config.operation));
  });
  fastify.addHook('onRequest', (request, response, done) => {
    request.traceparent = traceparentOf(header(request, 'traceparent'));
    secure(response);
    const operation = request.routeOptions.config.operation;
    try {
      if (operation !== undefined && operation.role !== 'public') request.actor = authenticate(request, tokens, operation.role);
      done();
    } catch (error) {
      done(error as Error);
    }
  });
  fastify.addHook('preHandler', (request, response, done) => {
    const operation = request.routeOptions.config.operation;
    const checks = operation === undefined ? undefined : validators.get(operation);
    try {
      if (operation !== undefined && checks !== undefined) request.call = callOf(request, response, operation, checks);
      done();
    } catch (error) {
      done(error as Error);
    }
  });
}

function secure(response: FastifyReply): void {
  response.headers({
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
    'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  });
}

/** The same check as gRPC makes on its metadata. Throws `Problem` TOKEN_REQUIRED, TOKEN_INVALID (401) or ROLE_REQUIRED (403). */
export function authorize(tokens: TokenStore, authorization: string | undefined, needed: Role, from: string): Actor {
  const [, text] = /^Bearer +([A-Za-z0-9._~+/=-]{1,500})$/i.exec(authorization ?? '') ?? [];
  if (text === undefined) {
    throw new Problem(
      'unauthenticated',
      'TOKEN_REQUIRED',
      'Send a token: `Authorization: Bearer ...`. `understudy token create` makes one.',
      {
        headers: { 'WWW-Authenticate': 'Bearer realm="understudy"' },
      },
    );
  }
  const check = tokens.check(text);
  if (!check.valid) {
    throw new Problem(
      'unauthenticated',
      'TOKEN_INVALID',
      `This token is ${check.reason}. \`understudy token create\` makes a new one.`,
      {
        headers: { 'WWW-Authenticate': `Bearer realm="understudy", error="invalid_token", error_description="${check.reason}"` },
      },
    );
  }
  const { id, subject, role } = check.token;
  if (!roleIncludes(role, needed)) {
    throw new Problem(
      'forbidden',
      'ROLE_REQUIRED',
      `This needs the role ${needed}; the token of ${subject} has the role ${role}. An admin can make another token.`,
      {
        headers: { 'WWW-Authenticate': 'Bearer realm="understudy", error="insufficient_scope"' },
      },
    );
  }
  return { subject, role, authentication: `token:${id}`, from };
}

function authenticate(request: FastifyRequest, tokens: TokenStore, needed: Role): Actor {
  return authorize(tokens, request.headers.authorization, needed, request.ip);
}

function header(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

const NOBODY: Actor = { subject: 'anonymous', role: 'none', authentication: 'none', from: '' };

function callOf(request: FastifyRequest, response: FastifyReply, operation: OperationSpec, checks: Validators): Call {
  const accept = negotiate(operation, header(request, 'accept'));
  checks.params(request.params as Record<string, unknown>);
  const query = checks.query(request.query as Record<string, unknown>);
  const key = idempotencyKey(header(request, 'idempotency-key'), operation);
  const expectedVersion = ifMatch(header(request, 'if-match'), operation);
  const body = bodyOf(request, operation);
  checks.body(body);
  const actor = request.actor ?? { ...NOBODY, from: request.ip };
  const id = key === undefined ? newId() : derivedId(actor.subject, request.method, request.url.split('?', 1)[0] ?? '', key);
  let signal: AbortSignal | undefined;
  return {
    body,
    query,
    params: request.params as Readonly<Record<string, string>>,
    actor,
    metadata: {
      commandId: id,
      actor,
      traceparent: request.traceparent,
      ...(key === undefined ? {} : { fingerprint: fingerprintOf(body ?? null) }),
    },
    newId: id,
    expectedVersion,
    accept,
    page: (filter = {}, keys = undefined) => pageFrom(operation.list ?? operation.id, query, filter, keys),
    header: (name) => header(request, name),
    // Made when it is asked for: only streams do, and an abort costs more than the rest of the door.
    get signal() {
      return (signal ??= whenGone(response));
    },
  };
}

function whenGone(response: FastifyReply): AbortSignal {
  const gone = new AbortController();
  if (response.raw.destroyed) gone.abort();
  else response.raw.once('close', () => gone.abort());
  return gone.signal;
}

function bodyOf(request: FastifyRequest, operation: OperationSpec): unknown {
  const body: unknown = request.body;
  if (operation.body === undefined) {
    const empty = body === undefined || body === null || (typeof body === 'object' && Object.keys(body).length === 0);
    if (!empty)
      throw new Problem(
        'malformed',
        'BODY_NOT_EXPECTED',
        'This operation takes no body; nothing is dropped silently. Send it without one.',
      );
    return undefined;
  }
  if (body === undefined) {
    const types = operation.yaml === true ? ['application/json', YAML_TYPES[0]] : ['application/json'];
    throw new Problem('malformed', 'BODY_REQUIRED', `This operation needs a body of type ${types.join(' or ')}.`);
  }
  return body;
}

/** Answers the first declared type that the client takes. Throws 406 with the list. Quality values only exclude (`q=0`). */
function negotiate(operation: OperationSpec, accept: string | undefined): string {
  const types = typesOf(operation);
  const [fallback = 'application/json'] = types;
  if (accept === undefined || accept.trim() === '') return fallback;
  const ranges = accept
    .split(',')
    .map((part) => part.trim().toLowerCase())
    .filter((part) => !/;\s*q=0(\.0*)?$/.test(part))
    .map((part) => part.split(';', 1)[0]?.trim() ?? '');
  for (const range of ranges) {
    const found =
      range === '*/*'
        ? fallback
        : types.find((type) => type === range || (range.endsWith('/*') && type.startsWith(range.slice(0, -1))));
    if (found !== undefined) return found;
  }
  throw new Problem(
    'not-acceptable',
    'REPRESENTATION_UNKNOWN',
    `This can be answered as ${types.join(', ')}; none of them fits the Accept header.`,
  );
}

function headerProblem(kind: 'malformed' | 'precondition-required', code: string, name: string, detail: string): Problem {
  return new Problem(kind, code, detail, { errors: [{ pointer: `/${name}`, code, detail, in: 'header' }] });
}

/** With or without the quotes of a structured field. */
function idempotencyKey(text: string | undefined, operation: OperationSpec): string | undefined {
  if (text === undefined) {
    if (operation.creates !== true) return undefined;
    const detail = 'Send an Idempotency-Key (a UUID), so that this request can be repeated safely after a lost answer.';
    throw headerProblem('malformed', 'IDEMPOTENCY_KEY_REQUIRED', 'Idempotency-Key', detail);
  }
  const key = /^"(.*)"$/.exec(text.trim())?.[1] ?? text.trim();
  if (!KEY.test(key))
    throw headerProblem(
      'malformed',
      'IDEMPOTENCY_KEY_INVALID',
      'Idempotency-Key',
      'An Idempotency-Key has 1 to 200 printable characters without spaces.',
    );
  return key;
}

function ifMatch(text: string | undefined, operation: OperationSpec): number | undefined {
  if (operation.ifMatch === undefined) return undefined;
  if (text === undefined) {
    if (operation.ifMatch === 'optional') return undefined;
    const detail = 'Send If-Match with the ETag of your last GET, so that nobody else’s change is overwritten.';
    throw headerProblem('precondition-required', 'IF_MATCH_REQUIRED', 'If-Match', detail);
  }
  if (text.trim() === '*') return undefined;
  const version = /^"(\d{1,15})"$/.exec(text.trim())?.[1];
  if (version === undefined)
    throw headerProblem(
      'malformed',
      'IF_MATCH_INVALID',
      'If-Match',
      'If-Match must be one ETag as this API gives it, e.g. "17", or *.',
    );
  return Number(version);
}
