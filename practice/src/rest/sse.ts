import { setTimeout as pause } from 'node:timers/promises';
import type { Api } from './api.js';

/** One server-sent event. */
export interface Sent {
  readonly id: string | null;
  readonly event: string;
  readonly data: string;
}

const RECONNECT_MS = 200;
/** The stream may be away this long before following it is given up (the product may be restarting). */
const AWAY_AT_MOST_MS = 30_000;

/**
 * Follows a stream of server-sent events until `onEvent` answers false or the signal ends it. A stream that breaks is
 * opened again where it stopped, by `Last-Event-ID`.
 */
export async function follow(api: Api, path: string, signal: AbortSignal, onEvent: (event: Sent) => boolean): Promise<void> {
  const reader = new Follower(api, path, signal);
  let awaySince: number | undefined;
  while (!signal.aborted) {
    try {
      if (await reader.readUntil((event) => ((awaySince = undefined), onEvent(event)))) return;
    } catch (error) {
      awaySince ??= Date.now();
      if (!signal.aborted && Date.now() - awaySince > AWAY_AT_MOST_MS) {
        throw new Error(`The event stream ${path} has been away for ${AWAY_AT_MOST_MS / 1000} s.`, { cause: error });
      }
    }
    await pause(RECONNECT_MS, undefined, { signal }).catch(() => undefined);
  }
}

class Follower {
  private lastId: string | null = null;

  constructor(
    private readonly api: Api,
    private readonly path: string,
    private readonly signal: AbortSignal,
  ) {}

  /** One connection. Answers true when `onEvent` had enough. @throws when there is no stream or it breaks. */
  async readUntil(onEvent: (event: Sent) => boolean): Promise<boolean> {
    const resume = this.lastId === null ? {} : { 'last-event-id': this.lastId };
    const response = await this.api.open(this.path, { accept: 'text/event-stream', ...resume }, this.signal);
    if (!response.ok || response.body === null) throw new Error(`GET ${this.path} as a stream answered ${response.status}.`);
    for await (const event of events(response.body)) {
      this.lastId = event.id ?? this.lastId;
      if (!onEvent(event)) return true;
    }
    return false;
  }
}

/** Cuts a body into events (WHATWG HTML, section 9.2.6); comments and `retry` are passed over. */
export async function* events(body: AsyncIterable<Uint8Array>): AsyncGenerator<Sent> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    rest = (rest + decoder.decode(chunk, { stream: true })).replaceAll('\r\n', '\n');
    const blocks = rest.split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const event = parseBlock(block);
      if (event !== undefined) yield event;
    }
  }
}

function parseBlock(block: string): Sent | undefined {
  const fields = block
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith(':'))
    .map((line) => /^([^:]*):? ?(.*)$/.exec(line) ?? ['', line, '']);
  const data = fields.filter(([, name]) => name === 'data').map(([, , value]) => value ?? '');
  if (data.length === 0) return undefined;
  return {
    id: fields.findLast(([, name]) => name === 'id')?.[2] ?? null,
    event: fields.findLast(([, name]) => name === 'event')?.[2] ?? 'message',
    data: data.join('\n'),
  };
}
