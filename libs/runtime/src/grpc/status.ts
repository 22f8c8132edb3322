/** A problem as gRPC tells it: the canonical code of the one table, and `google.rpc.Status` with details in the trailer. */
import type { DescMessage, Message } from '@bufbuild/protobuf';
import { create, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import type { Any } from '@bufbuild/protobuf/wkt';
import { Metadata } from '@grpc/grpc-js';
import { rpc } from '@understudy/contracts';
import { DOOR_STATUS, problemFrom } from '../problems.js';
import type { FailureKind, Problem, ProblemEntry } from '../problems.js';

export const ERROR_DOMAIN = 'understudy';
const DETAILS = 'grpc-status-details-bin';
const RETRY_DELAY_SECONDS = 5n;
/** Kinds that speak of the state and not of the request. */
const ABOUT_STATE: readonly FailureKind[] = ['conflict', 'precondition', 'locked'];

/** What grpc-js sends: code, sentence, trailers. */
export class RpcStatus extends Error {
  constructor(
    readonly code: number,
    readonly details: string,
    readonly metadata: Metadata,
  ) {
    super(details);
    this.name = 'RpcStatus';
  }
}

export interface Asked {
  readonly traceId?: string;
  /** Where an entry of a problem lies in the request message, as a field path; empty = the whole. */
  readonly fieldOf?: (entry: ProblemEntry) => string;
}

/** Anything thrown, as a status. What is not ours becomes INTERNAL without a word of its own text. */
export function statusOf(error: unknown, asked: Asked = {}): RpcStatus {
  if (error instanceof RpcStatus) return error;
  const problem = problemFrom(error);
  const { grpc } = DOOR_STATUS[problem.kind];
  const status = create(rpc.StatusSchema, { code: grpc, message: problem.message, details: detailsOf(problem, asked) });
  const metadata = new Metadata();
  metadata.set(DETAILS, Buffer.from(toBinary(rpc.StatusSchema, status)));
  return new RpcStatus(grpc, problem.message, metadata);
}

function detailsOf(problem: Problem, { traceId, fieldOf = pointerOf }: Asked): Any[] {
  const { retryable } = DOOR_STATUS[problem.kind];
  const info = create(rpc.ErrorInfoSchema, {
    reason: problem.code,
    domain: ERROR_DOMAIN,
    metadata: { retryable: String(retryable), ...(traceId === undefined ? {} : { traceId }) },
  });
  return [
    packed(rpc.ErrorInfoSchema, info),
    ...entriesOf(problem, fieldOf),
    ...(retryable
      ? [packed(rpc.RetryInfoSchema, create(rpc.RetryInfoSchema, { retryDelay: { seconds: RETRY_DELAY_SECONDS } }))]
      : []),
  ];
}

function entriesOf({ kind, errors }: Problem, fieldOf: (entry: ProblemEntry) => string): Any[] {
  if (errors.length === 0) return [];
  if (ABOUT_STATE.includes(kind)) {
    const violations = errors.map((entry) => ({ type: entry.code, subject: fieldOf(entry), description: entry.detail }));
    return [packed(rpc.PreconditionFailureSchema, create(rpc.PreconditionFailureSchema, { violations }))];
  }
  const fieldViolations = errors.map((entry) => ({ field: fieldOf(entry), description: entry.detail, reason: entry.code }));
  return [packed(rpc.BadRequestSchema, create(rpc.BadRequestSchema, { fieldViolations }))];
}

function packed(schema: DescMessage, message: Message): Any {
  return anyPack(schema, message);
}

function pointerOf({ pointer }: ProblemEntry): string {
  return pointer;
}
