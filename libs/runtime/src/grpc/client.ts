/** A client on our descriptors: for the one call that services make of each other, for benchmarks and for specs. */
import type { DescMethodServerStreaming, DescMethodUnary, DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { ChannelCredentials, Client, Metadata } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { readFileSync } from 'node:fs';
import { pathOf } from './package-definition.js';

export interface RpcClientOptions {
  /** host:port */
  readonly address: string;
  /** Asked at each call, so that a token may be renewed; sent as `Authorization: Bearer`. Never over a line in clear beyond this machine: use `tls`. */
  readonly token?: () => string;
  /** Absent = in clear. Without `caFile` the system's authorities count. */
  readonly tls?: { readonly caFile?: string };
}

/** A peer that vanished without a word is noticed within seconds, not when the system gives its socket up: others may answer at its name. */
const CHANNEL = {
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 3_000,
  'grpc.keepalive_permit_without_calls': 1,
};

export class RpcClient {
  private readonly client: Client;

  constructor(private readonly options: RpcClientOptions) {
    const { tls, address } = options;
    const ca = tls?.caFile === undefined ? null : readFileSync(tls.caFile);
    const credentials = tls === undefined ? ChannelCredentials.createInsecure() : ChannelCredentials.createSsl(ca);
    this.client = new Client(address, credentials, CHANNEL);
  }

  /** One answer within `deadlineMs`. Rejects with grpc-js's `ServiceError`. */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    deadlineMs: number,
  ): Promise<MessageShape<O>> {
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest(
        pathOf(method),
        (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
        (bytes: Buffer) => fromBinary(method.output, bytes),
        create(method.input, request),
        this.metadata(),
        { deadline: Date.now() + deadlineMs },
        (error: ServiceError | null, answer?: MessageShape<O>) => {
          if (error === null && answer !== undefined) resolve(answer);
          else reject(error ?? new Error('the call ended without an answer'));
        },
      );
    });
  }

  /** Answers as they come, until the server ends, `signal` is aborted, or the loop is left. Throws grpc-js's `ServiceError`. */
  async *watch<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    signal?: AbortSignal,
  ): AsyncGenerator<MessageShape<O>> {
    const stream = this.client.makeServerStreamRequest(
      pathOf(method),
      (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
      (bytes: Buffer) => fromBinary(method.output, bytes),
      create(method.input, request),
      this.metadata(),
    );
    const cancel = (): void => stream.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      for await (const message of stream) yield message as MessageShape<O>;
    } catch (error) {
      if (signal?.aborted !== true) throw error;
    } finally {
      signal?.removeEventListener('abort', cancel);
      stream.on('error', () => undefined);
      cancel();
    }
  }

  close(): void {
    this.client.close();
  }

  private metadata(): Metadata {
    const metadata = new Metadata();
    if (this.options.token !== undefined) metadata.set('authorization', `Bearer ${this.options.token()}`);
    return metadata;
  }
}
