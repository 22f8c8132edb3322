import { randomUUID } from 'node:crypto';
import type { OpenStoreOptions, Store } from '@understudy/event-log';
import type { Transport } from '@understudy/messaging';
import { bootHttp } from '../boot.js';
import type { HttpServer, Runtime } from '../boot.js';
import type { Settings, SettingsTable } from '../config.js';
import { attachGrpc } from '../grpc/server.js';
import type { GrpcServer } from '../grpc/server.js';
import { registerSecret } from '../redaction.js';
import { kafkaTransport } from './kafka.js';
import { processMetrics } from './metrics.js';
import type { ServiceProgram } from './run.js';
import type { ProcessSettingsTable } from './settings.js';
import { checkpointHealth, openStoreWhenThere, storeHealth } from './store.js';
import { transportHealth } from './transport.js';

/** Beyond the shutdown limit: what was begun is handed over (the lease is given back) within this. */
const HAND_OVER_LIMIT_MS = 3_000;

type All<T extends SettingsTable> = Settings<ProcessSettingsTable> & Settings<T>;

/** Runs the service until a signal. @throws when it cannot start, with nothing left running. */
export async function serve<T extends SettingsTable>(
  program: ServiceProgram<T>,
  settings: All<T>,
  runtime: Runtime,
): Promise<number> {
  const { log } = runtime;
  const stopping = untilSignal();
  const open = {
    connectionString: settings.storeUrl,
    schema: program.service,
    ...(settings.instanceId === undefined ? {} : { instance: settings.instanceId }),
    ...checkpointsOf(settings),
  };
  registerSecret(new URL(settings.storeUrl).password);
  if (settings.kafkaPassword !== undefined) registerSecret(settings.kafkaPassword);
  const wait = { open, listen: settings, limitMs: settings.storeWaitMs, log, signal: stopping };
  const store = await openStoreWhenThere(wait).catch((error: unknown) => {
    if (stopping.aborted) return undefined;
    throw error;
  });
  if (store === undefined) return 0;
  let running: Running | undefined;
  try {
    const clientId = `understudy-${program.service}-${settings.instanceId ?? randomUUID().slice(0, 8)}`;
    const transport = kafkaTransport(settings, clientId, log);
    runtime.health.register('store', () => storeHealth(store));
    const { checkpoints } = store;
    if (checkpoints) runtime.health.register('checkpoints', () => checkpointHealth(checkpoints));
    runtime.health.register('bus', () => transportHealth(transport));
    processMetrics(runtime.metrics, store, transport);
    running = await start({ program, settings, runtime, store, transport });
    log.info(
      { rest: running.http.url, grpc: running.grpc.address, instance: store.instance, incarnation: store.incarnation },
      'serving',
    );
    await new Promise<void>((resolve) => {
      if (stopping.aborted) resolve();
      stopping.addEventListener('abort', () => resolve(), { once: true });
    });
    log.info({ reason: messageOf(stopping.reason) }, 'shutting down');
    return await leave(running, store, settings.shutdownLimitMs, log);
  } catch (error) {
    await store.close();
    throw error;
  }
}

function checkpointsOf({
  checkpointKey,
  checkpointFolder: folder,
}: Settings<ProcessSettingsTable>): Pick<OpenStoreOptions, 'checkpoints'> {
  if (checkpointKey === undefined) return {};
  return { checkpoints: { keyFile: checkpointKey, ...(folder === undefined ? {} : { folder }) } };
}

interface Running {
  readonly http: HttpServer;
  readonly grpc: GrpcServer;
  readonly close: () => Promise<void>;
}

interface Parts<T extends SettingsTable> {
  readonly program: ServiceProgram<T>;
  readonly settings: All<T>;
  readonly runtime: Runtime;
  readonly store: Store;
  readonly transport: Transport;
}

async function start<T extends SettingsTable>({ program, settings, runtime, store, transport }: Parts<T>): Promise<Running> {
  const composed = program.compose({ settings, runtime, store, transport });
  const http = await bootHttp(composed.modules, runtime, settings, [transport]);
  try {
    const { host, grpcPort: port, tlsCert: certFile, tlsKey: keyFile, behindTlsProxy } = settings;
    const tls = certFile === undefined || keyFile === undefined ? {} : { tls: { certFile, keyFile } };
    const grpc = await attachGrpc(http.app, runtime, { host, port, behindTlsProxy, ...tls, services: composed.grpc });
    return {
      http,
      grpc,
      close: async () => {
        await grpc.close();
        await http.close();
        composed.close?.();
      },
    };
  } catch (error) {
    await http.close();
    throw error;
  }
}

/**
 * Takes no more work, finishes what was begun, gives the lease back. What takes longer than the limit is handed over: with the
 * lease gone another replica takes it up, and the hosts refuse this process from then on.
 */
async function leave(running: Running, store: Store, limitMs: number, log: Runtime['log']): Promise<number> {
  const finished = await within(running.close(), limitMs);
  if (!finished) log.warn({ limitMs }, 'not finished within SHUTDOWN_LIMIT_MS; what is left is handed over');
  const handedOver = await within(store.close(), HAND_OVER_LIMIT_MS);
  if (!handedOver) log.warn('the lease could not be given back; it runs out by itself');
  return finished && handedOver ? 0 : 1;
}

/** True = done in time. Rejects with what the work rejects with. */
async function within(work: Promise<void>, limitMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), limitMs);
  });
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Aborted by the first SIGTERM or SIGINT, also while it starts; a second one ends the process at once. */
function untilSignal(): AbortSignal {
  const controller = new AbortController();
  const leave = (signal: string): void => {
    if (controller.signal.aborted) process.exit(1);
    controller.abort(new Error(signal));
  };
  process.on('SIGTERM', leave);
  process.on('SIGINT', leave);
  return controller.signal;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
