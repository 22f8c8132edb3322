/** Webhooks: one signed POST per attempt, to the very address that was checked. Redirects are never followed: 3xx is a failure. */
import { request as httpRequest } from 'node:http';
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import type { Refusal } from '@understudy/decider';
import type { AttemptOutcome } from '@understudy/notification-domain';
import type { WebhookOptions } from '../../config.js';
import type { Channel, OutgoingMessage } from '../channel.js';
import { AddressGuard } from './address.js';
import type { CheckedAddress } from './address.js';
import { signatureOf } from './signature.js';

/** What a receiver answers is of no use to us beyond its status: more than this is not even read. */
const ANSWER_LIMIT_BYTES = 16 * 1024;
const AGENT = 'Understudy-Webhook/1';

export class WebhookChannel implements Channel {
  readonly kind = 'webhook';
  private readonly guard: AddressGuard;

  constructor(
    private readonly options: WebhookOptions,
    guard?: AddressGuard,
  ) {
    this.guard = guard ?? new AddressGuard(options);
  }

  async check(url: string): Promise<readonly Refusal[]> {
    const wrong = this.guard.form(url);
    if (wrong !== undefined) return [wrong];
    try {
      const checked = await this.guard.open(new URL(url).hostname);
      return checked.open ? [] : [checked.refusal];
    } catch {
      // A receiver may be set up later; every attempt resolves and judges again.
      return [];
    }
  }

  async send(message: OutgoingMessage, signal: AbortSignal): Promise<AttemptOutcome> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(this.options.timeoutMs)]);
    try {
      const wrong = this.guard.form(message.url);
      if (wrong !== undefined) return failed(wrong.detail);
      const checked = await abortable(this.guard.open(new URL(message.url).hostname), limit);
      if (!checked.open) return failed(checked.refusal.detail);
      return outcomeOf(await post(message, checked.addresses, limit), message.at);
    } catch (error) {
      return failed(limit.aborted ? this.lateReason(signal) : networkReason(error));
    }
  }

  private lateReason(signal: AbortSignal): string {
    return signal.aborted ? 'The service stopped during the attempt.' : `No answer within ${this.options.timeoutMs} ms.`;
  }
}

function failed(reason: string, retryAfterMs?: number): AttemptOutcome {
  return { kind: 'failed', reason, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

function networkReason(error: unknown): string {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
  return `The connection failed (${code}).`;
}

function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(new Error('aborted'));
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
}

function post(message: OutgoingMessage, addresses: readonly CheckedAddress[], signal: AbortSignal): Promise<Answer> {
  const url = new URL(message.url);
  const timestamp = Math.floor(message.at / 1_000);
  const options: RequestOptions = {
    method: 'POST',
    agent: false,
    signal,
    lookup: pinned(addresses),
    headers: {
      'content-type': message.contentType,
      'content-length': Buffer.byteLength(message.body),
      'user-agent': AGENT,
      'webhook-id': message.deliveryId,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': signatureOf({ id: message.deliveryId, timestamp, body: message.body }, message.secrets),
    },
  };
  return new Promise((resolve, reject) => {
    const request: ClientRequest = url.protocol === 'https:' ? httpsRequest(url, options) : httpRequest(url, options);
    request.once('error', reject);
    request.once('response', (response) => {
      drain(
        response,
        request,
        () => resolve({ status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'] }),
        reject,
      );
    });
    request.end(message.body);
  });
}

/** Answers the checked addresses, whatever name is asked for. An address in the URL is not looked up at all: it was judged itself. */
function pinned(addresses: readonly CheckedAddress[]): LookupFunction {
  return (_host, { all }, done) => {
    const [first] = addresses;
    if (first === undefined) done(new Error('no address'), '', 4);
    else if (all === true) done(null, [...addresses]);
    else done(null, first.address, first.family);
  };
}

/** Reads the answer to its end or its limit; a body that never ends runs into the attempt's time limit. */
function drain(response: IncomingMessage, request: ClientRequest, done: () => void, fail: (error: Error) => void): void {
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= ANSWER_LIMIT_BYTES) return;
    done();
    request.destroy();
  });
  response.once('end', done);
  response.once('error', fail);
}

function outcomeOf({ status, retryAfter }: Answer, at: number): AttemptOutcome {
  if (status >= 200 && status < 300) return { kind: 'accepted' };
  if (status === 410)
    return { kind: 'gone', reason: 'The receiver answered 410: it is gone for good, so the subscription was switched off.' };
  if (status >= 300 && status < 400)
    return failed(`The receiver answered ${status}, a redirect; redirects are never followed. Give the final address.`);
  return failed(`The receiver answered ${status}.`, retryAfterMs(retryAfter, at));
}

/** Seconds, or an HTTP date (RFC 9110, 10.2.3). */
function retryAfterMs(text: string | undefined, at: number): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text.trim())) return Number(text) * 1_000;
  const until = Date.parse(text);
  return Number.isNaN(until) ? undefined : Math.max(0, until - at);
}
