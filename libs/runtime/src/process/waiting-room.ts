/** Stands at the service's address while its store is away, so that whoever asks hears why it is not ready. */
import { createServer as createHttp } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import { planListen } from '../listen.js';
import type { Listen } from '../listen.js';

export interface WaitingRoom {
  /** With the real port. */
  readonly url: string;
  close(): Promise<void>;
}

/** Answers alive, not ready with the reason, and 503 to all else. Throws `SettingsError` for an unsafe address, or what listening throws. */
export async function openWaitingRoom(listen: Listen, reason: () => string): Promise<WaitingRoom> {
  const { https } = planListen(listen);
  const answer: RequestListener = (request, response) => {
    const live = request.url === '/health/live';
    const report = live ? { status: 'ok' } : { status: 'down', parts: { store: { status: 'down', reason: reason() } } };
    response.writeHead(live ? 200 : 503, { 'content-type': 'application/json', 'cache-control': 'no-store', 'retry-after': '2' });
    response.end(JSON.stringify(report));
  };
  const server: Server = https === undefined ? createHttp(answer) : createHttps(https, answer);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen.port, listen.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const host = listen.host.includes(':') ? `[${listen.host}]` : listen.host;
  return {
    url: `${https === undefined ? 'http' : 'https'}://${host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
