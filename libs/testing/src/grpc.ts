/** The gRPC door in specs: a client per role on the generated descriptors, and what a failed call says. */
import type { DescMessage, DescService, Message, MessageShape } from '@bufbuild/protobuf';
import { fromBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { ServiceError } from '@grpc/grpc-js';
import { rpc } from '@understudy/contracts';
import { RpcClient, attachGrpc } from '@understudy/runtime';
import type { GrpcOptions, HttpServer, Role } from '@understudy/runtime';
import type { TestRuntime } from './http.js';

export interface TestRpc {
  readonly address: string;
  /** A client with the token of a role, or with this text as its token; all are closed with `close`. */
  as(role: Role | { readonly token: string }): RpcClient;
  close(): Promise<void>;
}

/** Opens a gRPC port on a booted application; close it before the application. */
export async function testRpc(
  server: HttpServer,
  rim: TestRuntime,
  services: readonly DescService[],
  options: Partial<GrpcOptions> = {},
): Promise<TestRpc> {
  const grpc = await attachGrpc(server.app, rim.runtime, { host: '127.0.0.1', port: 0, services, ...options });
  const clients: RpcClient[] = [];
  const tls = options.tls === undefined ? {} : { tls: { caFile: options.tls.certFile } };
  return {
    address: grpc.address,
    as: (role) => {
      const token = typeof role === 'string' ? rim.bearer[role].replace(/^Bearer /, '') : role.token;
      const client = new RpcClient({ address: grpc.address, token: () => token, ...tls });
      clients.push(client);
      return client;
    },
    close: async () => {
      clients.forEach((client) => client.close());
      await grpc.close();
    },
  };
}

/** A failed call, as the trailer tells it. */
export interface RpcFailure {
  /** Canonical gRPC code, by number. */
  readonly code: number;
  readonly reason: string;
  readonly message: string;
  readonly traceId: string;
  /** `field: reason` of BadRequest, in order. */
  readonly fields: readonly string[];
  /** `subject: type` of PreconditionFailure, in order. */
  readonly violations: readonly string[];
}

/** What a call was refused with. Throws when it succeeds. */
export async function rpcFailure(call: Promise<unknown>): Promise<RpcFailure> {
  const error = await call.then(
    (answer) => {
      throw new Error(`the call should have failed, it answered ${String(answer)}`);
    },
    (reason: unknown) => reason as ServiceError,
  );
  return failureOf(error);
}

/** Reads `google.rpc.Status` of a grpc-js error; an error without it has no reason. */
export function failureOf(error: ServiceError): RpcFailure {
  const [bytes] = error.metadata?.get('grpc-status-details-bin') ?? [];
  const details: readonly Any[] = bytes === undefined ? [] : fromBinary(rpc.StatusSchema, bytes as Buffer).details;
  const info = detail(details, rpc.ErrorInfoSchema);
  return {
    code: error.code,
    reason: info?.reason ?? '',
    message: error.details,
    traceId: info?.metadata['traceId'] ?? '',
    fields: (detail(details, rpc.BadRequestSchema)?.fieldViolations ?? []).map(({ field, reason }) => `${field}: ${reason}`),
    violations: (detail(details, rpc.PreconditionFailureSchema)?.violations ?? []).map(
      ({ type, subject }) => `${subject}: ${type}`,
    ),
  };
}

function detail<D extends DescMessage>(details: readonly Any[], schema: D): MessageShape<D> | undefined {
  for (const any of details) {
    const message: Message | undefined = anyUnpack(any, schema);
    if (message !== undefined) return message as MessageShape<D>;
  }
  return undefined;
}
