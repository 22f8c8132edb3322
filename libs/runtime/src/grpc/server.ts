/** The gRPC port beside the REST port of the same application: Nest serves it, on definitions made from our descriptors. */
import type { DescService } from '@bufbuild/protobuf';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { Metadata } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { ServerGrpc } from '@nestjs/microservices';
import type { MessageHandler } from '@nestjs/microservices';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { health } from '@understudy/contracts';
import { readFileSync } from 'node:fs';
import type { Runtime } from '../boot.js';
import { SettingsError } from '../config.js';
import { BODY_LIMIT_BYTES } from '../http/body.js';
import { planListen } from '../listen.js';
import { addHealth } from './health.js';
import { packageDefinition } from './package-definition.js';
import type { Unread } from './package-definition.js';
import { writeItems } from './stream.js';
import type { Items, StreamCall } from './stream.js';

export interface GrpcOptions {
  readonly host: string;
  /** 0 = from the operating system. */
  readonly port: number;
  /** PEM files. With `caFile` clients must show a certificate that it signed. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string; readonly caFile?: string };
  /** A proxy in front ends TLS and is the only one that reaches this port. */
  readonly behindTlsProxy?: boolean;
  /** What is served: `grpcServices` of the composed modules, whose `forRoot` has their controllers. */
  readonly services: readonly DescService[];
}

export interface GrpcServer {
  /** host:port, with the real port. */
  readonly address: string;
  /** Takes no more calls, lets running ones end for 5 s, then cuts them: streams resume by position. Once is enough, twice is fine. */
  close(): Promise<void>;
}

const CLOSE_LIMIT_MS = 5_000;
/** A watcher whose machine vanished is noticed by a ping without an answer. */
const KEEPALIVE_MS = 60_000;
const KEEPALIVE_ANSWER_LIMIT_MS = 20_000;
const STREAMS_PER_CONNECTION = 200;
const METADATA_LIMIT_BYTES = 16 * 1024;

const CHANNEL = {
  'grpc.max_receive_message_length': BODY_LIMIT_BYTES,
  'grpc.max_metadata_size': METADATA_LIMIT_BYTES,
  'grpc.max_concurrent_streams': STREAMS_PER_CONNECTION,
  'grpc.keepalive_time_ms': KEEPALIVE_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_ANSWER_LIMIT_MS,
};

/**
 * Opens the gRPC port of an application that has been initialised, with health (`grpc.health.v1`) and reflection, which need no
 * token. Throws `SettingsError` for an unsafe listen address, or when the port cannot be bound.
 */
export async function attachGrpc(app: NestFastifyApplication, runtime: Runtime, options: GrpcOptions): Promise<GrpcServer> {
  const { host, port, services } = options;
  const door = new GrpcPort(`${host.includes(':') ? `[${host}]` : host}:${port}`, credentialsOf(options), services, runtime);
  app.connectMicroservice({ strategy: door }, { inheritAppConfig: false });
  await app.startAllMicroservices();
  return { address: door.address, close: () => door.close() };
}

function credentialsOf({ host, port, tls, behindTlsProxy = false }: GrpcOptions): ServerCredentials {
  const { https } = planListen({ host, port, tlsCert: tls?.certFile, tlsKey: tls?.keyFile, behindTlsProxy });
  if (https === undefined) return ServerCredentials.createInsecure();
  const ca = tls?.caFile === undefined ? null : readCa(tls.caFile);
  return ServerCredentials.createSsl(ca, [{ cert_chain: https.cert, private_key: https.key }], ca !== null);
}

function readCa(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? 'unknown reason';
    throw new SettingsError([
      `the file with the authority of client certificates cannot be read: ${why} (it is ${JSON.stringify(path)})`,
    ]);
  }
}

type StreamHandler = (unread: Unread, metadata: Metadata, call: StreamCall) => Promise<Items>;

/** Nest's gRPC server, with what it lacks: the port it got, a bounded stop, and streams that wait for a slow reader. */
class GrpcPort extends ServerGrpc {
  private server: Server | undefined;
  private port = 0;
  private readonly leaving = new AbortController();
  private closing: Promise<void> | undefined;

  constructor(
    private readonly bindAddress: string,
    private readonly credentials: ServerCredentials,
    services: readonly DescService[],
    runtime: Runtime,
  ) {
    super({
      package: [...new Set(services.map(({ file }) => file.proto.package))],
      packageDefinition: packageDefinition(services),
      onLoadPackageDefinition: (_definition, server) => {
        addHealth(server as Server, runtime.health, services, this.leaving.signal);
        const told = packageDefinition([...services, health.Health]);
        new ReflectionService(told as ConstructorParameters<typeof ReflectionService>[0]).addToServer(server as Server);
      },
    });
  }

  get address(): string {
    return this.bindAddress.replace(/:\d+$/, `:${this.port}`);
  }

  override async createClient(): Promise<Server> {
    const server = new Server(CHANNEL);
    this.port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(this.bindAddress, this.credentials, (error, port) => (error === null ? resolve(port) : reject(error)));
    });
    this.server = server;
    return server;
  }

  /** Nest's own keeps what a slow reader has not taken in a list without a limit. */
  override createStreamServiceMethod(handler: MessageHandler): (call: StreamCall) => Promise<void> {
    return async (call) => {
      const items = await (handler as unknown as StreamHandler)(call.request, call.metadata, call);
      await writeItems(call, items, this.leaving.signal);
    };
  }

  override close(): Promise<void> {
    return (this.closing ??= this.stop());
  }

  private async stop(): Promise<void> {
    const { server } = this;
    if (server === undefined) return;
    this.leaving.abort();
    await new Promise<void>((resolve) => {
      const cut = setTimeout(() => {
        server.forceShutdown();
        resolve();
      }, CLOSE_LIMIT_MS);
      server.tryShutdown(() => {
        clearTimeout(cut);
        resolve();
      });
    });
  }
}
