/**
 * One table from the class of a failure to the status that each door shows. REST answers problem documents (RFC 9457); the gRPC
 * column is the canonical status code: ABORTED says "read again and decide again" (another version is in force), FAILED_PRECONDITION
 * "not before the state is another". Services name codes (UPPER_SNAKE) and never a status.
 */
import type { Refusal, RefusalKind } from '@understudy/decider';
import { isStoreAway } from '@understudy/event-log';

/** What a client can do about a failure; each class is one row of the table. */
export type FailureKind =
  | RefusalKind
  | 'malformed'
  | 'unauthenticated'
  | 'method-not-allowed'
  | 'not-acceptable'
  | 'too-large'
  | 'unsupported-media-type'
  | 'precondition-required'
  | 'rate-limited'
  | 'too-late'
  | 'internal'
  | 'unavailable';

export interface DoorStatus {
  readonly http: number;
  /** Canonical gRPC code, by number. */
  readonly grpc: number;
  readonly title: string;
  /** May the same request succeed later, unchanged? */
  readonly retryable: boolean;
}

const INVALID_ARGUMENT = 3;
const DEADLINE_EXCEEDED = 4;
const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;
const RESOURCE_EXHAUSTED = 8;
const FAILED_PRECONDITION = 9;
const ABORTED = 10;
const UNIMPLEMENTED = 12;
const INTERNAL = 13;
const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;

export const DOOR_STATUS: Readonly<Record<FailureKind, DoorStatus>> = {
  malformed: { http: 400, grpc: INVALID_ARGUMENT, title: 'The request cannot be read', retryable: false },
  unauthenticated: { http: 401, grpc: UNAUTHENTICATED, title: 'A valid token is needed', retryable: false },
  forbidden: { http: 403, grpc: PERMISSION_DENIED, title: 'Not allowed', retryable: false },
  'not-found': { http: 404, grpc: NOT_FOUND, title: 'Not found', retryable: false },
  'method-not-allowed': { http: 405, grpc: UNIMPLEMENTED, title: 'Method not allowed here', retryable: false },
  'not-acceptable': { http: 406, grpc: INVALID_ARGUMENT, title: 'No such representation', retryable: false },
  conflict: { http: 409, grpc: FAILED_PRECONDITION, title: 'In conflict with the present state', retryable: false },
  precondition: { http: 412, grpc: ABORTED, title: 'A precondition does not hold', retryable: false },
  'too-large': { http: 413, grpc: RESOURCE_EXHAUSTED, title: 'The request is too large', retryable: false },
  'unsupported-media-type': { http: 415, grpc: INVALID_ARGUMENT, title: 'Unsupported media type', retryable: false },
  invalid: { http: 422, grpc: INVALID_ARGUMENT, title: 'The request is not valid', retryable: false },
  locked: { http: 423, grpc: FAILED_PRECONDITION, title: 'Held by somebody else', retryable: true },
  'precondition-required': { http: 428, grpc: FAILED_PRECONDITION, title: 'A precondition is required', retryable: false },
  'rate-limited': { http: 429, grpc: RESOURCE_EXHAUSTED, title: 'Too many requests', retryable: true },
  'too-late': { http: 504, grpc: DEADLINE_EXCEEDED, title: 'The deadline passed', retryable: true },
  internal: { http: 500, grpc: INTERNAL, title: 'Internal error', retryable: false },
  unavailable: { http: 503, grpc: UNAVAILABLE, title: 'Not available now', retryable: true },
};

/** One entry of `errors`; `in` says where a part lies that is not in the body. */
export interface ProblemEntry extends Refusal {
  readonly in?: 'query' | 'path' | 'header';
}

/** The JSON of `application/problem+json`. */
export interface ProblemDocument {
  /** Stable: `urn:understudy:problem:<code in kebab case>`. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly code: string;
  readonly retryable: boolean;
  readonly traceId: string;
  readonly errors?: readonly ProblemEntry[];
}

export interface ProblemExtras {
  readonly errors?: readonly ProblemEntry[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** Thrown at a door (or by a use case for its doors) to answer with a problem. Its message is written for the client. */
export class Problem extends Error {
  readonly errors: readonly ProblemEntry[];
  readonly headers: Readonly<Record<string, string>>;
  constructor(
    readonly kind: FailureKind,
    /** UPPER_SNAKE. */
    readonly code: string,
    detail: string,
    extras: ProblemExtras = {},
  ) {
    super(detail, extras.cause === undefined ? undefined : { cause: extras.cause });
    this.name = 'Problem';
    this.errors = extras.errors ?? [];
    this.headers = extras.headers ?? {};
  }
}

/** A domain's refusal as a problem: one code = that code, several = the code of the kind with each in `errors`. */
export function refused(refusal: { readonly kind: RefusalKind; readonly refusals: readonly Refusal[] }): Problem {
  const { kind, refusals } = refusal;
  const codes = new Set(refusals.map(({ code }) => code));
  const [first] = refusals;
  const code = codes.size === 1 && first !== undefined ? first.code : `${kind.replaceAll('-', '_').toUpperCase()}_REQUEST`;
  const detail = refusals.length === 1 && first !== undefined ? first.detail : refusals.map((item) => item.detail).join(' ');
  return new Problem(kind, code, detail, { errors: refusals });
}

export function notFound(what: string, id: string): Problem {
  return new Problem('not-found', 'NOT_FOUND', `There is no ${what} ${JSON.stringify(id)}. List them to see which exist.`);
}

/** The document that a client sees. */
export function problemDocument(
  problem: Problem,
  request: { readonly instance: string; readonly traceId: string },
): ProblemDocument {
  const row = DOOR_STATUS[problem.kind];
  return {
    type: `urn:understudy:problem:${problem.code.toLowerCase().replaceAll('_', '-')}`,
    title: row.title,
    status: row.http,
    detail: problem.message,
    instance: request.instance,
    code: problem.code,
    retryable: row.retryable,
    traceId: request.traceId,
    ...(problem.errors.length > 0 ? { errors: problem.errors } : {}),
  };
}

const RETRY_AFTER_SECONDS = 5;

/** Anything thrown, as a problem. What is not ours becomes `internal` without a word of its own text. */
export function problemFrom(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (
    isStoreAway(error) ||
    (error instanceof Error && (error.name === 'StoreUnavailable' || (error as { code?: unknown }).code === 'STORE_UNAVAILABLE'))
  ) {
    return new Problem(
      'unavailable',
      'STORE_UNAVAILABLE',
      'The store does not answer now. Nothing half done is kept: send the same request again, with the same Idempotency-Key.',
      { headers: { 'Retry-After': String(RETRY_AFTER_SECONDS) }, cause: error },
    );
  }
  return new Problem('internal', 'INTERNAL', 'Something went wrong on our side. Its traceId finds it in the log.', {
    cause: error,
  });
}
