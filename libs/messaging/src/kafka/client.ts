/**
 * The one place that makes a kafkajs client (2.2.4; unmaintained, so pinned and wrapped). Each part of a transport has a client of
 * its own, whose sockets are ours: closing them is what bounds every wait of the library.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import tls from 'node:tls';
import kafkajs, { type ISocketFactory, type Kafka, type KafkaConfig, type LogEntry } from 'kafkajs';
import type { KafkaLog, KafkaOptions } from './options.js';

const CONNECT_LIMIT_MS = 3_000;
const REQUEST_LIMIT_MS = 10_000;
const KEEP_ALIVE_MS = 60_000;
/** Retries within the library are short: whoever uses a client supervises it and tries again for as long as it takes. */
const RETRY = { retries: 2, initialRetryTime: 100, maxRetryTime: 1_000 };

export interface Client {
  readonly kafka: Kafka;
  /** Cuts every connection of this client; what waits for an answer fails now. */
  cut(): void;
}

export function openClient(options: KafkaOptions): Client {
  repairRequestQueue();
  const sockets = new Set<net.Socket>();
  const { mechanism, username, password } = options.sasl ?? {};
  const config: KafkaConfig = {
    brokers: [...options.brokers],
    clientId: options.clientId,
    connectionTimeout: CONNECT_LIMIT_MS,
    authenticationTimeout: REQUEST_LIMIT_MS,
    requestTimeout: REQUEST_LIMIT_MS,
    retry: RETRY,
    socketFactory: ownSockets(sockets),
    logLevel: kafkajs.logLevel.INFO,
    logCreator: () => (entry) => forward(options.log, entry),
    ...(options.tls === undefined ? {} : { ssl: tlsOptions(options.tls) }),
    ...(mechanism === undefined ? {} : { sasl: { mechanism, username, password } as NonNullable<KafkaConfig['sasl']> }),
  };
  return {
    kafka: new kafkajs.Kafka(config),
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function tlsOptions(files: NonNullable<KafkaOptions['tls']>): tls.ConnectionOptions {
  return {
    ...(files.caFile === undefined ? {} : { ca: readFileSync(files.caFile) }),
    ...(files.certFile === undefined ? {} : { cert: readFileSync(files.certFile) }),
    ...(files.keyFile === undefined ? {} : { key: readFileSync(files.keyFile) }),
  };
}

function ownSockets(sockets: Set<net.Socket>): ISocketFactory {
  return ({ host, port, ssl, onConnect }) => {
    // The library gives no TLS options where there is no TLS, whatever its type says.
    const options = ssl as tls.ConnectionOptions | undefined;
    const name = net.isIP(host) ? {} : { servername: host };
    const socket = options ? tls.connect({ host, port, ...name, ...options }, onConnect) : net.connect({ host, port }, onConnect);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    return socket;
  };
}

function forward(log: KafkaLog | undefined, { level, namespace, log: said }: LogEntry): void {
  if (log === undefined) return;
  const { message, timestamp: _timestamp, logger: _logger, stack: _stack, ...fields } = said;
  const text = `kafka: ${message}`;
  const details = { namespace, ...fields };
  if (level === kafkajs.logLevel.ERROR) log.error(details, text);
  else if (level === kafkajs.logLevel.WARN) log.warn(details, text);
  else log.info(details, text);
}

interface RequestQueue {
  throttledUntil: number;
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  readonly pending: readonly unknown[];
  checkPendingRequests(): void;
  scheduleCheckPendingRequests(): void;
}

const PENDING_CHECK_MS = 10;
let repaired = false;

/**
 * kafkajs 2.2.4 asks for a timer of minus 56 years after each answer, which Node makes 1 ms: a loop that burns about 4 % of a core
 * and, from Node 24 on, a `TimeoutNegativeWarning`. Here the queue is looked at again only when something waits in it.
 * The library's file: src/network/requestQueue/index.js, `scheduleCheckPendingRequests`.
 */
function repairRequestQueue(): void {
  if (repaired) return;
  repaired = true;
  const load = createRequire(import.meta.url);
  const { prototype } = load('kafkajs/src/network/requestQueue/index.js') as { readonly prototype: RequestQueue };
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
    if (this.throttleCheckTimeoutId !== null || this.pending.length === 0) return;
    const waitMs = Math.max(PENDING_CHECK_MS, this.throttledUntil - Date.now());
    this.throttleCheckTimeoutId = setTimeout(() => {
      this.throttleCheckTimeoutId = null;
      this.checkPendingRequests();
    }, waitMs);
  };
}
