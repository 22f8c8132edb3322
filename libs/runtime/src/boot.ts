/** Starts one Nest application on Fastify with the whole rim around it, and stops it within a limit. */
import { Module } from '@nestjs/common';
import type { DynamicModule, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { CredentialStore } from './credentials.js';
import { Health } from './health.js';
import { BODY_LIMIT_BYTES } from './http/body.js';
import { openDoor } from './http/door.js';
import { ProblemFilter, RouteTable } from './http/filter.js';
import { ReplyInterceptor } from './http/reply.js';
import { systemController } from './http/system.controller.js';
import { traceIdOf } from './ids.js';
import { planListen } from './listen.js';
import type { Listen } from './listen.js';
import { NestLog, createLog } from './logging.js';
import type { Log, LogLevel } from './logging.js';
import { Metrics } from './metrics.js';
import { TokenStore } from './tokens.js';
import { nameSpan } from './tracing.js';

/** What a process has once and hands to each module it composes: `XModule.forRoot({..., runtime}, transport)`. */
export interface Runtime {
  readonly log: Log;
  readonly tokens: TokenStore;
  readonly credentials: CredentialStore;
  /** Host keys of machines that are reached by SSH, as OpenSSH's known_hosts; undefined = there is no such file. */
  readonly knownHostsFile: string | undefined;
  readonly health: Health;
  readonly metrics: Metrics;
}

export interface RuntimeOptions {
  /** Name of the process in logs and metrics. */
  readonly service: string;
  readonly logLevel?: LogLevel;
  /** Shared by all services of an installation. */
  readonly tokensFile: string;
  readonly credentialsFile: string;
  readonly knownHostsFile?: string | undefined;
}

export function createRuntime(options: RuntimeOptions): Runtime {
  const level = options.logLevel === undefined ? {} : { level: options.logLevel };
  return {
    log: createLog({ service: options.service, ...level }),
    tokens: new TokenStore(options.tokensFile),
    credentials: new CredentialStore(options.credentialsFile),
    knownHostsFile: options.knownHostsFile,
    health: new Health(),
    metrics: new Metrics(options.service),
  };
}

/** Something that runs beside the requests, e.g. a transport: started after the modules, before the port opens; stopped after it closes. */
export interface Companion {
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface HttpServer {
  /** With the real port: `http://127.0.0.1:41234`. */
  readonly url: string;
  readonly app: NestFastifyApplication;
  /** Stops taking requests, lets running ones end (at most 10 s), stops companions in reverse order, destroys the modules. */
  close(): Promise<void>;
}

const CLOSE_LIMIT_MS = 10_000;
const REQUEST_LIMIT_MS = 30_000;
const MAX_PARAM_LENGTH = 300;

/**
 * Boots modules behind one port. Throws `SettingsError` for an unsafe listen address, or what a module's start throws.
 * Requests that run when it closes get 10 s; streams are cut (their clients resume by position).
 */
export async function bootHttp(
  modules: readonly (Type | DynamicModule)[],
  runtime: Runtime,
  listen: Listen,
  companions: readonly Companion[] = [],
): Promise<HttpServer> {
  const plan = planListen(listen);
  const adapter = new FastifyAdapter({
    bodyLimit: BODY_LIMIT_BYTES,
    trustProxy: plan.trustProxy,
    requestTimeout: REQUEST_LIMIT_MS,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    ...(plan.https === undefined ? {} : { https: plan.https }),
  });
  const routes = new RouteTable();
  const fastify: FastifyInstance = adapter.getInstance<FastifyInstance>();
  routes.watch(fastify);
  openDoor(fastify, runtime.tokens);
  observeRequests(fastify, runtime);
  const app = await NestFactory.create<NestFastifyApplication>(rootModule(modules, runtime), adapter, {
    logger: new NestLog(runtime.log),
    bodyParser: false,
    abortOnError: false,
  });
  app.useGlobalFilters(new ProblemFilter(runtime.log, routes));
  app.useGlobalInterceptors(new ReplyInterceptor());
  const started: Companion[] = [];
  try {
    await app.init();
    for (const companion of companions) {
      await companion.start();
      started.push(companion);
    }
    await app.listen(listen.port, listen.host);
  } catch (error) {
    for (const companion of started.reverse()) await companion.stop();
    await app.close();
    throw error;
  }
  const close = once(() => shutDown(app, fastify, runtime, started));
  return { url: urlOf(app, plan.https !== undefined), app, close };
}

function rootModule(modules: readonly (Type | DynamicModule)[], runtime: Runtime): Type {
  @Module({ imports: [...modules], controllers: [systemController(runtime.health, runtime.metrics)] })
  class RootModule {}
  return RootModule;
}

function observeRequests(fastify: FastifyInstance, { log, metrics }: Runtime): void {
  fastify.addHook('onRequest', (request, _response, done) => {
    const route = request.routeOptions.url ?? 'unknown';
    nameSpan(`${request.method} ${route}`, { 'http.route': route });
    done();
  });
  fastify.addHook('onResponse', (request, response, done) => {
    const route = request.routeOptions.url ?? 'unknown';
    metrics.observeRequest(request.method, route, response.statusCode, response.elapsedTime / 1_000);
    const fields = {
      method: request.method,
      route,
      status: response.statusCode,
      durationMs: Math.round(response.elapsedTime),
      traceId: traceIdOf(request.traceparent),
      subject: request.actor?.subject,
    };
    if (response.statusCode >= 500) log.warn(fields, 'request');
    else log.debug(fields, 'request');
    done();
  });
}

async function shutDown(
  app: NestFastifyApplication,
  fastify: FastifyInstance,
  { health, log }: Runtime,
  companions: readonly Companion[],
): Promise<void> {
  health.leave();
  const streams = setTimeout(() => fastify.server.closeAllConnections(), CLOSE_LIMIT_MS / 2);
  const server = fastify.server;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  await closed;
  clearTimeout(streams);
  for (const companion of [...companions].reverse()) {
    await companion.stop().catch((error: unknown) => log.error({ err: error }, 'a part did not stop cleanly'));
  }
  await app.close();
}

function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => (running ??= work());
}

function urlOf(app: NestFastifyApplication, tls: boolean): string {
  const address = app.getHttpServer().address() as { readonly address: string; readonly port: number; readonly family: string };
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return `${tls ? 'https' : 'http'}://${host}:${address.port}`;
}

/**
 * For a `main.ts`: runs until SIGTERM or SIGINT, then closes; a second signal or 15 s end the process at once. Answers the exit code.
 */
export function untilSignal(close: () => Promise<void>, log: Log): Promise<number> {
  return new Promise((resolve) => {
    let leaving = false;
    const leave = (signal: string): void => {
      if (leaving) {
        process.exit(1);
      }
      leaving = true;
      log.info({ signal }, 'shutting down');
      setTimeout(() => process.exit(1), CLOSE_LIMIT_MS * 1.5).unref();
      close().then(
        () => resolve(0),
        (error: unknown) => {
          log.error({ err: error }, 'the shutdown failed');
          resolve(1);
        },
      );
    };
    process.on('SIGTERM', leave);
    process.on('SIGINT', leave);
  });
}
