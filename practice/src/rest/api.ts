import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

const REQUEST_TIMEOUT_MS = 15_000;
/** A request that found nobody is sent again this often; creating ones carry the same key, so they happen once. */
const TRIES = 20;
const RETRY_MS = 250;

/** RFC 9457, as the product answers refusals. */
export interface Problem {
  readonly type?: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  readonly errors?: readonly { readonly pointer?: string; readonly code?: string; readonly detail: string }[];
}

/** A refusal of the product, in its own words. */
export class Refused extends Error {
  constructor(
    readonly request: string,
    readonly problem: Problem,
  ) {
    const details = (problem.errors ?? []).map((error) => `${error.pointer ?? ''} ${error.detail}`.trim());
    super(
      `${request} answered ${problem.status} ${problem.title}${problem.detail === undefined ? '' : `: ${problem.detail}`}${details.length === 0 ? '' : ` (${details.join('; ')})`}`,
    );
    this.name = 'Refused';
  }
}

export interface Answer<T> {
  readonly body: T;
  readonly etag: string | null;
  readonly location: string | null;
}

/** The product's REST API, and nothing else of it: what a user with a token has. */
export class Api {
  /** @param address one for all paths, or which one answers a path. */
  constructor(
    private readonly address: string | ((path: string) => string),
    private readonly token: string,
    private readonly signal: AbortSignal,
  ) {}

  async get<T>(path: string): Promise<T> {
    return ((await this.send('GET', path, {})) as Answer<T>).body;
  }

  async text(path: string, accept: string): Promise<string> {
    return ((await this.send('GET', path, { accept })) as Answer<string>).body;
  }

  async post<T>(path: string, body: unknown = {}, etag?: string): Promise<Answer<T>> {
    const headers = { 'idempotency-key': randomUUID(), ...(etag === undefined ? {} : { 'if-match': etag }) };
    return (await this.send('POST', path, headers, body)) as Answer<T>;
  }

  async put<T>(path: string, body: unknown): Promise<Answer<T>> {
    return (await this.send('PUT', path, { 'idempotency-key': randomUUID() }, body)) as Answer<T>;
  }

  /** An open response, for streams. The caller reads and ends it. */
  async open(path: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Response> {
    return fetch(this.urlOf(path), { headers: { authorization: `Bearer ${this.token}`, ...headers }, signal });
  }

  private urlOf(path: string): URL {
    return new URL(path, typeof this.address === 'string' ? this.address : this.address(path));
  }

  private async send(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    body?: unknown,
  ): Promise<Answer<unknown>> {
    const sent = {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    };
    for (let tried = 1; ; tried++) {
      try {
        const response = await fetch(this.urlOf(path), {
          ...sent,
          signal: AbortSignal.any([this.signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
        });
        return await answer(`${method} ${path}`, response);
      } catch (error) {
        if (error instanceof Refused || this.signal.aborted || tried >= TRIES) throw named(`${method} ${path}`, error);
        await pause(RETRY_MS, undefined, { signal: this.signal });
      }
    }
  }
}

async function answer(request: string, response: Response): Promise<Answer<unknown>> {
  const text = await response.text();
  const json = /[/+]json/.test(response.headers.get('content-type') ?? '');
  const body: unknown = json && text !== '' ? JSON.parse(text) : text;
  if (response.ok) return { body, etag: response.headers.get('etag'), location: response.headers.get('location') };
  const problem =
    typeof body === 'object' && body !== null ? (body as Problem) : { title: text.slice(0, 200), status: response.status };
  throw new Refused(request, problem);
}

function named(request: string, error: unknown): Error {
  if (error instanceof Refused) return error;
  const cause = error instanceof Error ? (error.cause instanceof Error ? error.cause.message : error.message) : String(error);
  return new Error(`${request} found nobody at the product's address (${cause}).`, { cause: error });
}
