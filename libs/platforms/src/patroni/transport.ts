import { request as httpRequest, type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Secret } from '../platform.js';

/** More than a hundred times what a cluster of ten members answers. */
const MOST_ANSWER_BYTES = 1024 * 1024;

export interface Question {
  readonly method: 'GET' | 'POST' | 'OPTIONS';
  /** Scheme, host and port. */
  readonly origin: string;
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly login?: Secret;
  readonly certificateAuthority?: string;
  readonly deadlineMs: number;
}

export type Answer =
  | {
      readonly status: 'answered';
      readonly code: number;
      readonly body: string;
      /** When it was written, by the clock of who answered, in milliseconds; null where it does not say. */
      readonly atMs: number | null;
    }
  /** Nothing was heard in time, or not all of it: whether the question took effect is not known. */
  | { readonly status: 'silent'; readonly reason: string };

/**
 * One question over HTTP, with one deadline for all of it. Redirections are not followed: an answer must come from the
 * place that was asked. Never throws.
 */
export function ask(question: Question): Promise<Answer> {
  return new Promise((resolve) => {
    const late = setTimeout(() => silent(`no answer within ${question.deadlineMs} ms`), question.deadlineMs);
    let sent: ClientRequest | undefined;
    const end = (answer: Answer): void => {
      clearTimeout(late);
      resolve(answer);
      sent?.destroy();
    };
    const silent = (reason: string): void => end({ status: 'silent', reason });
    try {
      sent = send(question, (answer) => collect(answer, end, silent));
      sent.on('error', (error) => silent(error.message || 'the connection failed'));
    } catch (error) {
      // An authority that is no certificate is found out here.
      silent(error instanceof Error ? error.message : String(error));
    }
  });
}

function send(question: Question, onAnswer: (answer: IncomingMessage) => void): ClientRequest {
  const payload = question.body === undefined ? undefined : JSON.stringify(question.body);
  const request = question.origin.startsWith('https:') ? httpsRequest : httpRequest;
  const sent = request(new URL(question.path, question.origin), optionsOf(question, payload), onAnswer);
  sent.end(payload);
  return sent;
}

/** A connection of its own: one kept open by an agent may have been closed by the other side meanwhile. */
function optionsOf(
  { method, login, certificateAuthority }: Question,
  payload: string | undefined,
): RequestOptions & { ca?: string } {
  return {
    method,
    agent: false,
    headers: {
      accept: 'application/json',
      ...(payload === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(payload)) }),
      ...(login === undefined ? {} : { authorization: basic(login) }),
    },
    ...(certificateAuthority === undefined ? {} : { ca: certificateAuthority }),
  };
}

function basic({ user, password }: Secret): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

function collect(answer: IncomingMessage, end: (answer: Answer) => void, silent: (reason: string) => void): void {
  const parts: Buffer[] = [];
  let bytes = 0;
  answer.on('data', (part: Buffer) => {
    bytes += part.length;
    if (bytes > MOST_ANSWER_BYTES) silent(`its answer is longer than ${MOST_ANSWER_BYTES} bytes`);
    else parts.push(part);
  });
  answer.on('error', (error) => silent(error.message));
  answer.on('aborted', () => silent('the connection was lost in the middle of its answer'));
  answer.on('end', () => {
    const atMs = Date.parse(answer.headers.date ?? '');
    const body = Buffer.concat(parts).toString('utf8');
    end({ status: 'answered', code: answer.statusCode ?? 0, body, atMs: Number.isNaN(atMs) ? null : atMs });
  });
}

/** Pure: a body as an object; undefined where it is none. */
export function objectOf(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
