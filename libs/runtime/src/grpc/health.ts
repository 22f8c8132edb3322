/** `grpc.health.v1`: says what `/health/ready` says. Needs no token, and tells no reason. */
import type { DescService, Message } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import type { Server, ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import { health as contract } from '@understudy/contracts';
import type { Health } from '../health.js';
import { Problem } from '../problems.js';
import { serviceDefinition } from './package-definition.js';
import type { Unread } from './package-definition.js';
import { statusOf } from './status.js';
import { writeItems } from './stream.js';
import type { StreamCall } from './stream.js';

const { HealthCheckResponse_ServingStatus: Serving } = contract;
/** Between two looks for a watcher; nobody looks without one. */
const LOOK_MS = 1_000;

/** Registers the service. Every service of this port has the health of its process. */
export function addHealth(server: Server, health: Health, services: readonly DescService[], leaving: AbortSignal): void {
  const known = new Set(['', ...services.map(({ typeName }) => typeName)]);
  const statusNow = async (): Promise<contract.HealthCheckResponse_ServingStatus> =>
    (await health.report()).status === 'down' ? Serving.NOT_SERVING : Serving.SERVING;
  const answer = (status: contract.HealthCheckResponse_ServingStatus): contract.HealthCheckResponse =>
    create(contract.HealthCheckResponseSchema, { status });

  async function* watch(name: string, signal: AbortSignal): AsyncGenerator<Message> {
    let told: contract.HealthCheckResponse_ServingStatus | undefined;
    while (!signal.aborted) {
      const status = known.has(name) ? await statusNow() : Serving.SERVICE_UNKNOWN;
      if (status !== told) yield answer(status);
      told = status;
      await pause(LOOK_MS, signal);
    }
  }

  server.addService(serviceDefinition(contract.Health), {
    Check: unary(async ({ service }: contract.HealthCheckRequest) => {
      if (!known.has(service))
        throw new Problem('not-found', 'SERVICE_UNKNOWN', `There is no service ${JSON.stringify(service)} here.`);
      return answer(await statusNow());
    }),
    List: unary(async () => {
      const status = answer(await statusNow());
      return create(contract.HealthListResponseSchema, {
        statuses: Object.fromEntries([...known].map((name) => [name, status])),
      });
    }),
    Watch: (call: StreamCall) => {
      const stop = new AbortController();
      const { service } = call.request() as contract.HealthCheckRequest;
      void writeItems(call, { source: watch(service, stop.signal), stop, fail: statusOf }, leaving);
    },
  });
}

function unary<T extends Message>(handle: (request: T) => Promise<Message>) {
  return (call: ServerUnaryCall<Unread, Message>, done: sendUnaryData<Message>): void => {
    Promise.resolve()
      .then(() => handle(call.request() as T))
      .then(
        (message) => done(null, message),
        (error: unknown) => done(statusOf(error)),
      );
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
  });
}
