/** A receiver of webhooks that may be away, or refuse. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request, answered or refused. */
export interface Delivery {
  readonly at: number;
  /** Header `webhook-id`: the same for every attempt of one delivery. */
  readonly webhookId: string;
  /** Of the CloudEvent in the body. */
  readonly eventId: string;
  readonly type: string;
  readonly answered: number;
}

export class Receiver {
  readonly deliveries: Delivery[] = [];
  /** Milliseconds of a clock that only goes forward, as `Delivery.at`. */
  wentAwayAt = 0;
  private server: Server | undefined;
  private port = 0;

  /** @param answer HTTP status for the n-th request of a delivery, from 1. */
  private constructor(private readonly answer: (attempt: number) => number) {}

  static async start(answer: (attempt: number) => number = () => 204): Promise<Receiver> {
    const receiver = new Receiver(answer);
    await receiver.comeBack();
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/hook`;
  }

  /** When the first request came. */
  get firstAt(): number {
    return this.deliveries[0]?.at ?? Number.NaN;
  }

  /** Nobody listens at its address any more. */
  async goAway(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    this.wentAwayAt = performance.now();
    if (server === undefined) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  /** At the same address. */
  async comeBack(): Promise<void> {
    const server = createServer((request, response) => void this.take(request, response));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, '127.0.0.1', resolve);
    });
    this.port = (server.address() as AddressInfo).port;
    this.server = server;
  }

  /** Ids of CloudEvents that it answered with success, each once. */
  accepted(): readonly string[] {
    return [...new Set(this.deliveries.filter(({ answered }) => answered < 300).map(({ eventId }) => eventId))];
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const event = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { readonly id: string; readonly type: string };
    const webhookId = String(request.headers['webhook-id']);
    const attempt = 1 + this.deliveries.filter((delivery) => delivery.webhookId === webhookId).length;
    const answered = this.answer(attempt);
    this.deliveries.push({ at: performance.now(), webhookId, eventId: event.id, type: event.type, answered });
    response.writeHead(answered).end();
  }
}

/** What a user posts to `/v1/subscriptions`. */
export function subscriptionOf(receiver: Receiver, clusters: readonly string[]): unknown {
  const filter = { types: [], clusters, leastSeverity: 'info' };
  return { description: 'somebody else', channel: 'webhook', url: receiver.url, filter, enabled: true };
}
