import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Api, Refused } from './api.js';
import { events, follow, type Sent } from './sse.js';

async function* chunks(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield new TextEncoder().encode(text);
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<readonly Sent[]> {
  const all: Sent[] = [];
  for await (const event of events(body)) all.push(event);
  return all;
}

let server: Server | undefined;

async function serve(handler: Parameters<typeof createServer>[1]): Promise<Api> {
  server = createServer(handler);
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return new Api(`http://127.0.0.1:${port}`, 'secret', new AbortController().signal);
}

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

describe('the event stream', () => {
  it('is cut into events however the bytes arrive', async () => {
    const sent = await collect(chunks('id: 7\r\nevent: X\r\nda', 'ta: {"a":1}\r\n\r', '\n: beat\n\ndata: one\ndata: two\n\n'));
    expect(sent).toEqual([
      { id: '7', event: 'X', data: '{"a":1}' },
      { id: null, event: 'message', data: 'one\ntwo' },
    ]);
  });

  it('goes on after a broken connection where it stopped', async () => {
    const asked: (string | undefined)[] = [];
    const api = await serve((request, response) => {
      asked.push(request.headers['last-event-id'] as string | undefined);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`id: ${asked.length}\ndata: ${asked.length}\n\n`, () => response.destroy());
    });
    const seen: string[] = [];
    await follow(api, '/v1/rollouts/x/events', new AbortController().signal, (event) => seen.push(event.data) < 3);
    expect(seen).toEqual(['1', '2', '3']);
    expect(asked).toEqual([undefined, '1', '2']);
  });
});

describe('the REST client', () => {
  it('gives a refusal in the words of the product', async () => {
    const api = await serve((_request, response) => {
      response.writeHead(422, { 'content-type': 'application/problem+json' });
      response.end(
        JSON.stringify({
          title: 'Invalid',
          status: 422,
          detail: 'Not so.',
          errors: [{ pointer: '/nodes', detail: 'One node.' }],
        }),
      );
    });
    const refused = await api.post('/v1/clusters', {}).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Refused);
    expect((refused as Refused).message).toBe('POST /v1/clusters answered 422 Invalid: Not so. (/nodes One node.)');
  });

  it('sends a creating request again under the same key when nobody answered', async () => {
    const keys: unknown[] = [];
    const api = await serve((request, response) => {
      keys.push(request.headers['idempotency-key']);
      if (keys.length === 1) return request.socket.destroy();
      response.writeHead(201, { 'content-type': 'application/json', etag: '"1"' });
      return response.end('{"id":"w"}');
    });
    expect(await api.post('/v1/windows', {})).toEqual({ body: { id: 'w' }, etag: '"1"', location: null });
    expect(keys).toHaveLength(2);
    expect(keys[0]).toBe(keys[1]);
  });
});
