/** What a controller's method answers. The interceptor turns it into status, headers and body; there is no other way to send. */
import { Injectable } from '@nestjs/common';
import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { from, mergeMap } from 'rxjs';
import type { Observable } from 'rxjs';
import type { Readable } from 'node:stream';
import type { Call } from './operation.js';
import { EVENT_STREAM, NDJSON, ndjson, serverSentEvents } from './stream.js';
import type { StreamItem } from './stream.js';

export interface Reply {
  readonly status: number;
  /** JSON value, or a text or stream together with `type`. */
  readonly body?: unknown;
  /** Media type of a text or stream. */
  readonly type?: string;
  readonly headers: Readonly<Record<string, string>>;
  /** As in the options; the REST door reads the headers. */
  readonly version?: number;
  readonly replayed?: boolean;
  /** A stream's items as they are, for gRPC. */
  readonly items?: AsyncIterable<StreamItem>;
}

export interface ReplyOptions {
  /** The stream's version: sent as `ETag`; a GET with a fitting `If-None-Match` is answered with 304. */
  readonly version?: number;
  readonly location?: string;
  /** True when an Idempotency-Key was answered from what is recorded. */
  readonly replayed?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
}

function make(status: number, body: unknown, { version, location, replayed, headers }: ReplyOptions): Reply {
  return {
    status,
    body,
    headers: {
      ...(version === undefined ? {} : { ETag: `"${version}"` }),
      ...(location === undefined ? {} : { Location: location }),
      ...(replayed === true ? { 'Idempotency-Replayed': 'true' } : {}),
      ...headers,
    },
    ...(version === undefined ? {} : { version }),
    ...(replayed === undefined ? {} : { replayed }),
  };
}

/** `reply.ok(body, {version})`, `reply.created(...)`, `reply.accepted(...)`, `reply.noContent()`, `reply.text(...)`, `reply.stream(...)`, `reply.items(...)`. */
export const reply = {
  ok: (body: unknown, options: ReplyOptions = {}): Reply => make(200, body, options),
  /** A replay answers as the first time: pass the first version, and `replayed`. */
  created: (body: unknown, options: ReplyOptions & { readonly location: string }): Reply => make(201, body, options),
  accepted: (body: unknown, options: ReplyOptions = {}): Reply => make(202, body, options),
  noContent: (options: ReplyOptions = {}): Reply => make(204, undefined, options),
  text: (text: string, type: string, options: ReplyOptions = {}): Reply => ({ ...make(200, text, options), type }),
  stream: (stream: Readable, type: string, options: ReplyOptions = {}): Reply => ({ ...make(200, stream, options), type }),
  /** Positioned items in the form that was asked for: NDJSON, server-sent events, or as they are. */
  items: (items: AsyncIterable<StreamItem>, { accept, signal }: Pick<Call, 'accept' | 'signal'>): Reply => {
    if (accept === NDJSON) return { ...make(200, ndjson(items, signal), {}), type: NDJSON };
    if (accept === EVENT_STREAM) return { ...make(200, serverSentEvents(items, signal), {}), type: EVENT_STREAM };
    return { ...make(200, undefined, {}), items };
  },
};

@Injectable()
export class ReplyInterceptor implements NestInterceptor<Reply, void> {
  intercept(context: ExecutionContext, next: CallHandler<Reply>): Observable<void> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const response = http.getResponse<FastifyReply>();
    return next.handle().pipe(mergeMap((answer) => from(send(request, response, answer))));
  }
}

async function send(request: FastifyRequest, response: FastifyReply, answer: Reply): Promise<void> {
  response.headers(answer.headers);
  const etag = answer.headers['ETag'];
  if (request.method === 'GET' && etag !== undefined && noneMatchHolds(request.headers['if-none-match'], etag)) {
    await response.code(304).send();
    return;
  }
  response.code(answer.status);
  if (answer.type !== undefined) response.type(answer.type);
  if (answer.body === undefined) await response.send();
  else if (answer.type !== undefined) await response.send(answer.body);
  else await response.type('application/json; charset=utf-8').send(JSON.stringify(answer.body));
}

/** RFC 9110, 13.1.2: weak comparison, `*` fits everything. */
function noneMatchHolds(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((item) => item.trim() === '*' || item.trim().replace(/^W\//, '') === etag);
}
