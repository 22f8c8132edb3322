/** Nest controllers of a service's RPCs: each RPC is another door to one declared operation, and says nothing of its own. */
import type { DescMessage, DescMethod, DescService, Message } from '@bufbuild/protobuf';
import { Controller } from '@nestjs/common';
import type { Type } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { GrpcMethod, RpcException } from '@nestjs/microservices';
import type { Metadata, ServerUnaryCall } from '@grpc/grpc-js';
import type { Runtime } from '../boot.js';
import { authorize } from '../http/door.js';
import { methodsOf } from '../http/operation.js';
import type { Call, DeclaredMethod } from '../http/operation.js';
import type { Reply } from '../http/reply.js';
import { validatorsOf } from '../http/validate.js';
import { traceIdOf, traceparentOf } from '../ids.js';
import { DOOR_STATUS, Problem, problemFrom } from '../problems.js';
import { GRPC_TYPE, callOf, fieldOf } from './call.js';
import type { RequestForm } from './call.js';
import { fromDocument } from './documents.js';
import { pathOf } from './package-definition.js';
import type { Unread } from './package-definition.js';
import { statusOf } from './status.js';
import type { RpcStatus } from './status.js';
import type { Items, StreamCall } from './stream.js';

/** Where an RPC differs from the operation that has its name in camelCase. */
export interface RpcBinding {
  /** The operation's id. */
  readonly operation?: string;
  readonly query?: RequestForm['query'];
  readonly accept?: RequestForm['accept'];
  /** The document that the response is made from. Default: the answer's body, or its one message field with it. */
  readonly answer?: (reply: Reply) => unknown;
}

/** What a service exports about its gRPC door. */
export interface GrpcApi {
  readonly services: readonly DescService[];
  /** Controllers whose operations the RPCs open: those of REST, and those that are asked over gRPC alone. */
  readonly controllers: readonly Type[];
  /** By the RPC's name in camelCase. */
  readonly bindings?: Readonly<Record<string, RpcBinding>>;
}

/** A call without a deadline gets this one, and none is longer; REST has the same. */
export const UNARY_LIMIT_MS = 30_000;
/** A watcher that stays longer watches again from its last position. */
export const STREAM_LIMIT_MS = 12 * 3_600_000;

type Rpc = ServerUnaryCall<Unread, Message> | StreamCall;
type Handler = (this: { readonly modules: ModuleRef }, unread: Unread, metadata: Metadata, rpc: Rpc) => Promise<Message | Items>;

/** The controllers to put beside the REST ones in a module. Throws if an RPC has no operation. */
export function grpcControllers(api: GrpcApi, runtime: Runtime): readonly Type[] {
  return api.services.map((service) => controllerOf(service, api, runtime));
}

function controllerOf(service: DescService, api: GrpcApi, runtime: Runtime): Type {
  @Controller()
  class RpcController {
    constructor(readonly modules: ModuleRef) {}
  }
  for (const method of service.methods) {
    const door = new RpcDoor(method, api, runtime);
    const value: Handler = function (unread, metadata, rpc) {
      return door.open(this.modules, unread, metadata, rpc);
    };
    const descriptor = { value, writable: true, configurable: true, enumerable: false };
    Object.defineProperty(RpcController.prototype, method.localName, descriptor);
    GrpcMethod(service.name, method.name)(RpcController.prototype, method.localName, descriptor);
  }
  return RpcController;
}

/** One RPC: token and role first, then the message is read and checked, then the operation is called. */
class RpcDoor {
  private readonly declared: DeclaredMethod;
  private readonly form: RequestForm;
  private readonly binding: RpcBinding;
  private readonly streams: boolean;

  constructor(
    private readonly method: DescMethod,
    api: GrpcApi,
    private readonly runtime: Runtime,
  ) {
    this.binding = api.bindings?.[method.localName] ?? {};
    const id = this.binding.operation ?? method.localName;
    const declared = api.controllers.flatMap(methodsOf).find(({ spec }) => spec.id === id);
    if (declared === undefined) throw new Error(`${pathOf(method)} has no operation ${id}`);
    const { query, accept } = this.binding;
    this.declared = declared;
    this.streams = method.methodKind === 'server_streaming';
    this.form = {
      input: method.input,
      spec: declared.spec,
      checks: validatorsOf(declared.spec),
      ...(query === undefined ? {} : { query }),
      ...(this.streams ? { accept: () => GRPC_TYPE } : accept === undefined ? {} : { accept }),
    };
  }

  async open(modules: ModuleRef, unread: Unread, metadata: Metadata, rpc: Rpc): Promise<Message | Items> {
    const started = performance.now();
    const traceparent = traceparentOf(metadata.get('traceparent')[0]?.toString());
    const stop = new AbortController();
    const fail = (error: unknown): RpcStatus => this.failure(error, traceparent, started);
    try {
      const { spec } = this.declared;
      const from = addressOf(rpc.getPeer());
      const authorization = metadata.get('authorization')[0]?.toString();
      const actor = authorize(this.runtime.tokens, authorization, spec.role === 'public' ? 'viewer' : spec.role, from);
      const limit = this.limit(rpc, stop);
      const call = callOf(this.form, read(unread), { actor, traceparent, metadata, signal: stop.signal });
      const controller = modules.get<Record<string, (call: Call) => Reply | Promise<Reply>>>(this.declared.controller, {
        strict: true,
      });
      const reply = await limit.within(async () => controller[this.declared.key]?.(call));
      if (reply === undefined) throw new Error(`${this.declared.key} has answered nothing`);
      if (this.streams) return { source: this.messages(reply, limit), stop, fail };
      const answer = responseOf(this.method.output, reply, this.binding);
      this.observe(0, started);
      return answer;
    } catch (error) {
      stop.abort();
      const status = fail(error);
      // Thrown, it would reach the stream's writer as an observable.
      if (this.streams) return { source: refusing(status), stop, fail: () => status };
      throw new RpcException(status);
    }
  }

  private async *messages(reply: Reply, limit: Limit): AsyncGenerator<Message> {
    if (reply.items === undefined) throw new Error(`${this.declared.spec.id} answers no items`);
    for await (const item of reply.items) yield fromDocument(this.method.output, { event: item.data });
    limit.check();
  }

  private limit(rpc: Rpc, stop: AbortController): Limit {
    const asked = rpc.getDeadline();
    const atMs = asked instanceof Date ? asked.getTime() : asked;
    return new Limit(Math.min(atMs - Date.now(), this.streams ? STREAM_LIMIT_MS : UNARY_LIMIT_MS), rpc, stop);
  }

  private failure(error: unknown, traceparent: string, started: number): RpcStatus {
    const problem = problemFrom(error);
    const traceId = traceIdOf(traceparent);
    if (problem.kind === 'internal')
      this.runtime.log.error({ err: problem.cause, traceId, rpc: pathOf(this.method) }, 'call failed');
    this.observe(DOOR_STATUS[problem.kind].grpc, started);
    return statusOf(problem, { traceId, fieldOf: fieldOf(this.form) });
  }

  private observe(code: number, started: number): void {
    this.runtime.metrics.observeCall(pathOf(this.method), code, (performance.now() - started) / 1_000);
  }
}

/** A stream of nothing but its refusal. */
async function* refusing(status: RpcStatus): AsyncGenerator<Message> {
  yield await Promise.reject(status);
}

/** The time of one call: after it, or when the client has gone, its signal is aborted and nothing more is begun for it. */
class Limit {
  private passed = false;

  constructor(
    private readonly ms: number,
    rpc: Rpc,
    private readonly stop: AbortController,
  ) {
    const end = (): void => {
      this.passed = true;
      stop.abort();
    };
    const timer = setTimeout(end, Math.max(0, ms));
    timer.unref();
    rpc.once('cancelled', end);
    stop.signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
    if (rpc.cancelled || ms <= 0) end();
  }

  /** Throws `Problem` DEADLINE_EXCEEDED when the time is over. */
  check(): void {
    if (!this.passed) return;
    const detail = `The call was not answered within its ${Math.round(this.ms)} ms. What it asked for may still have been done: ask again, with the same idempotency key.`;
    throw new Problem('too-late', 'DEADLINE_EXCEEDED', detail);
  }

  async within<T>(work: () => Promise<T>): Promise<T> {
    this.check();
    let end: () => void = () => undefined;
    const over = new Promise<undefined>((resolve) => {
      end = () => resolve(undefined);
      this.stop.signal.addEventListener('abort', end, { once: true });
    });
    const working = work();
    try {
      const answer = await Promise.race([working, over.then(() => this.check())]);
      return answer as T;
    } finally {
      this.stop.signal.removeEventListener('abort', end);
      working.catch(() => undefined);
    }
  }
}

/** Only now the bytes are read. What cannot be read, and what this version does not know, is refused. */
function read(unread: Unread): Message {
  let message: Message;
  try {
    message = unread();
  } catch (error) {
    throw new Problem('malformed', 'MESSAGE_MALFORMED', 'The request cannot be read as the message that this method takes.', {
      cause: error,
    });
  }
  if (hasUnknown(message)) {
    const detail = 'The request has fields that this version does not know; nothing is dropped silently. Use its contract.';
    throw new Problem('malformed', 'UNKNOWN_FIELD', detail);
  }
  return message;
}

function hasUnknown(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasUnknown);
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return false;
  const { $unknown: unknown } = value as Partial<Message>;
  return (
    (unknown !== undefined && unknown.length > 0) ||
    Object.entries(value).some(([name, part]) => name !== '$unknown' && hasUnknown(part))
  );
}

/** `version` and `replayed` come from the answer's headers; the body lies in the one other message field, or field by field. */
function responseOf(output: DescMessage, reply: Reply, { answer }: RpcBinding): Message {
  const body = answer === undefined ? reply.body : answer(reply);
  const others = output.fields.filter(({ jsonName }) => jsonName !== 'version' && jsonName !== 'replayed');
  const [only] = others;
  const wrapped = answer === undefined && others.length === 1 && only?.fieldKind === 'message';
  const document = wrapped ? { [only.jsonName]: body } : { ...(body as object | undefined) };
  return fromDocument(output, { ...document, version: reply.version, replayed: reply.replayed });
}

function addressOf(peer: string): string {
  return peer.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}
