import { randomUUID } from 'node:crypto';
import { waitFor } from './waiting.js';

const REQUEST_LIMIT_MS = 15_000;
/** Nobody at the address: the service may be starting again. Creating requests carry one key, so they happen once. */
const NOBODY_LIMIT_MS = 30_000;

/** What the product refused. */
export class RestRefused extends Error {
  constructor(
    readonly request: string,
    readonly status: number,
    readonly body: unknown,
  ) {
    super(`${request} answered ${status}: ${JSON.stringify(body)}`);
    this.name = 'RestRefused';
  }
}

/** The REST API with a token, as any client has it; each path goes to the service that answers it. */
export class Rest {
  /**
   * @param addressOf answers `http://HOST:PORT` for a path.
   * @param token or where it is read: the first one is made when the product has started.
   */
  constructor(
    private readonly addressOf: (path: string) => string,
    private readonly token: string | (() => string),
  ) {}

  async get<T>(path: string): Promise<T> {
    return (await this.send('GET', path, { accept: 'application/json' })) as T;
  }

  /** As text, e.g. `text/html`. */
  async text(path: string, accept: string): Promise<string> {
    return String(await this.send('GET', path, { accept }));
  }

  async post<T>(path: string, body: unknown = {}): Promise<T> {
    return (await this.send('POST', path, { 'idempotency-key': randomUUID() }, body)) as T;
  }

  async put<T>(path: string, body: unknown): Promise<T> {
    return (await this.send('PUT', path, { 'idempotency-key': randomUUID() }, body)) as T;
  }

  private async send(method: string, path: string, headers: Readonly<Record<string, string>>, body?: unknown): Promise<unknown> {
    const request = `${method} ${path}`;
    const response = await waitFor(`somebody to answer ${request}`, NOBODY_LIMIT_MS, () =>
      fetch(new URL(path, this.addressOf(path)), {
        method,
        headers: {
          authorization: `Bearer ${typeof this.token === 'string' ? this.token : this.token()}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(REQUEST_LIMIT_MS),
      }),
    );
    const text = await response.text();
    const isJson = /[/+]json/.test(response.headers.get('content-type') ?? '');
    const answer: unknown = isJson && text !== '' ? JSON.parse(text) : text;
    if (!response.ok) throw new RestRefused(request, response.status, answer);
    return answer;
  }
}
