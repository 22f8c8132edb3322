/** An operation of the REST API, declared once: routing, roles, validation and the OpenAPI document all come from it. */
import { RequestMapping, RequestMethod, Res, createParamDecorator } from '@nestjs/common';
import type { ExecutionContext, Type } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { Actor, EventMetadata } from '@understudy/event-log';
import type { FastifyRequest } from 'fastify';
import type { Role } from '../tokens.js';
import type { Page } from './paging.js';

/** JSON Schema 2020-12. A schema with a `title` becomes a named component of the OpenAPI document. */
export type Schema = Readonly<Record<string, unknown>>;

export interface Answer {
  readonly description: string;
  /** Absent = no body. */
  readonly schema?: Schema;
  /** Representations besides `application/json`; the first of all is the default. */
  readonly types?: readonly string[];
  /** Response headers beyond those that every operation has, with what they say. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface OperationSpec {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Whole path with parameters in braces: `/v1/windows/{windowId}`. */
  readonly path: string;
  /** `operationId`, camelCase, unique in the process. */
  readonly id: string;
  readonly summary: string;
  readonly description?: string;
  /** Group in the document. */
  readonly tag: string;
  /** The role it needs, or `public` = no token (health, documents). */
  readonly role: Role | 'public';
  /** Schemas of path parameters; one that is not named is a text of 1 to 200 characters. */
  readonly params?: Readonly<Record<string, Schema>>;
  /** Schemas of query parameters. Texts become integers, numbers, booleans and arrays as declared here, strictly; nothing else is converted. */
  readonly query?: Readonly<Record<string, Schema>>;
  readonly body?: Schema;
  /** The body may also be YAML (`application/yaml`). */
  readonly yaml?: true;
  /** The answers of success by status. Problem answers are added by themselves. */
  readonly answers: Readonly<Record<number, Answer>>;
  /** Creates something: `Idempotency-Key` is required (400 without). */
  readonly creates?: true;
  /** Whether `If-Match` must be sent (428 without). The use case compares the version: 412. */
  readonly ifMatch?: 'required' | 'optional';
  /** Name of a list: adds `limit` and `cursor`, read with `call.page`. */
  readonly list?: string;
}

/** A request after token, negotiation and validation. */
export interface Call<B = unknown, Q = Readonly<Record<string, unknown>>, P = Readonly<Record<string, string>>> {
  readonly body: B;
  readonly query: Q;
  readonly params: P;
  readonly actor: Actor;
  /** For the append: command id (from the Idempotency-Key where there is one), actor, trace, body's fingerprint. */
  readonly metadata: EventMetadata;
  /** Id for what a creating POST creates: the same for the same principal, path and key. */
  readonly newId: string;
  /** From `If-Match`; undefined = any version (absent or `*`). */
  readonly expectedVersion: number | undefined;
  /** The representation that the client asked for, one of the answer's `types`. */
  readonly accept: string;
  /** Where this page of the list begins; bound to the list and to the filter. `keys`: the kinds of the order's values, checked. */
  page(filter?: Readonly<Record<string, unknown>>, keys?: readonly ('string' | 'number')[]): Page;
  /** A request header, lower-case name. */
  header(name: string): string | undefined;
  /** Aborted when the client has gone. For streams. */
  readonly signal: AbortSignal;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    operation?: OperationSpec;
  }
  interface FastifyRequest {
    actor?: Actor;
    call?: Call;
    traceparent: string;
  }
}

const CallArgument = createParamDecorator(
  (_data: unknown, context: ExecutionContext) => context.switchToHttp().getRequest<FastifyRequest>().call,
);
const OPERATION = Symbol('operation');

/**
 * Declares a controller's method as an operation. Its only argument is the `Call`; it answers with `reply(...)`, or throws a `Problem`.
 * (The second parameter that Nest sees is its response: it tells Nest that our interceptor sends the answer.)
 */
export function Operation(spec: OperationSpec): MethodDecorator {
  return (target, key, descriptor) => {
    RequestMapping({ path: spec.path.replace(/\{(\w+)\}/g, ':$1'), method: RequestMethod[spec.method] })(target, key, descriptor);
    RouteConfig({ operation: spec })(target, key, descriptor);
    CallArgument()(target, key, 0);
    Res()(target, key, 1);
    Reflect.defineMetadata(OPERATION, spec, descriptor.value as unknown as object);
  };
}

/** Declares an operation without a REST route: something asked over gRPC alone. Its path still names it, e.g. for idempotency. */
export function RpcOperation(spec: OperationSpec): MethodDecorator {
  return (_target, _key, descriptor) => Reflect.defineMetadata(OPERATION, spec, descriptor.value as unknown as object);
}

export interface DeclaredMethod {
  readonly controller: Type;
  readonly key: string;
  readonly spec: OperationSpec;
}

/** The operations that a controller declares and their methods, in order. */
export function methodsOf(controller: Type): readonly DeclaredMethod[] {
  const prototype = controller.prototype as object;
  return Object.getOwnPropertyNames(prototype).flatMap((key) => {
    const method = Object.getOwnPropertyDescriptor(prototype, key)?.value as unknown;
    const spec = typeof method === 'function' ? (Reflect.getMetadata(OPERATION, method) as OperationSpec | undefined) : undefined;
    return spec === undefined ? [] : [{ controller, key, spec }];
  });
}

/** The operations that a controller declares, in the order of its methods. */
export function operationsOf(controller: Type): readonly OperationSpec[] {
  return methodsOf(controller).map(({ spec }) => spec);
}

export const DEFAULT_TYPE = 'application/json';

const TYPES = new WeakMap<OperationSpec, readonly string[]>();

/** All representations of an operation's successful answers, the default first. Kept: it is asked at each request. */
export function typesOf(spec: OperationSpec): readonly string[] {
  const known = TYPES.get(spec);
  if (known !== undefined) return known;
  const types = [...new Set(Object.values(spec.answers).flatMap((answer) => answer.types ?? [DEFAULT_TYPE]))];
  TYPES.set(spec, types);
  return types;
}
