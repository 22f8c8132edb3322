/**
 * The server of the benchmark `grpc`, in a process of its own: the orchestrator behind its real gRPC door with a rollout of many
 * events and many rollouts of one, and beside it a bare grpc-js method that answers one such event from memory. Says its addresses
 * on one line of stdout.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Message } from '@bufbuild/protobuf';
import {
  Server,
  ServerCredentials,
  loadPackageDefinition,
  type ServiceClientConstructor,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { orchestrator } from '@understudy/contracts';
import { openStore, type Store } from '@understudy/event-log';
import { InProcessTransport } from '@understudy/messaging';
import { OrchestratorModule, orchestratorGrpc, type Peers } from '@understudy/orchestrator';
import { attachGrpc, bootHttp, createRuntime, fromDocument, packageDefinition } from '@understudy/runtime';
import { v7 as uuidv7 } from 'uuid';

const BODY_BYTES = 500;
const APPEND_AT_ONCE = 500;
const nobody: Peers = { haLayer: async () => null, driftAssessment: async () => null, change: async () => null };
const actor = { subject: 'bench', role: 'operator', authentication: 'internal', from: 'bench' };

/** A gate that was evaluated: an event as rollouts have many of. */
const BODY = {
  gate: 'drift',
  requirement: 'required',
  status: 'open',
  reason: 'x'.repeat(BODY_BYTES - 240),
  until: '2026-03-01T21:00:00.010Z',
  since: '2026-03-01T20:00:00.010Z',
  whoCanChangeIt: 'nobody needs to',
  final: false,
  evidence: { blocking: 0, warnings: 2 },
};

async function append(store: Store, rolloutId: string, events: number): Promise<void> {
  for (let version = 0; version < events; version += APPEND_AT_ONCE) {
    const count = Math.min(APPEND_AT_ONCE, events - version);
    const batch = Array.from({ length: count }, () => ({ type: 'GateEvaluated', schemaVersion: 1, body: BODY }));
    const streams = [{ stream: `rollout/${rolloutId}`, expectedVersion: version, events: batch }];
    await store.log.append({ streams, metadata: { commandId: uuidv7(), actor } });
  }
}

/** One unary method on one event in memory, with nothing around it: no token, no store, no schema. */
async function bare(store: Store, rolloutId: string): Promise<string> {
  const [first] = await store.log.readStream(`rollout/${rolloutId}`);
  const answer = fromDocument(orchestrator.GetRolloutEventsResponseSchema, { items: [first] });
  const loaded = loadPackageDefinition(packageDefinition([orchestrator.RolloutService])) as unknown as {
    understudy: { orchestrator: { v1: { RolloutService: ServiceClientConstructor } } };
  };
  const server = new Server();
  server.addService(loaded.understudy.orchestrator.v1.RolloutService.service, {
    GetRolloutEvents: ({ request }: { request: () => Message }, done: sendUnaryData<Message>) => {
      request();
      done(null, answer);
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return `127.0.0.1:${port}`;
}

const [, , connectionString = '', count = '0'] = process.argv;
const folder = mkdtempSync(join(tmpdir(), 'understudy-bench-grpc-'));
const files = { tokensFile: join(folder, 'tokens.json'), credentialsFile: join(folder, 'credentials.json') };
const runtime = createRuntime({ service: 'bench', logLevel: 'error', ...files });
const { token } = await runtime.tokens.create({ subject: 'bench', role: 'viewer' });
const store = await openStore({ connectionString, schema: 'orchestrator' });
const long = uuidv7();
await append(store, long, Number(count));
const single = uuidv7();
await append(store, single, 1);
const config = { runtime, store, connectionString, platforms: {}, commandsFolder: undefined };
// The transport is not started: nobody else is in this process.
const server = await bootHttp([OrchestratorModule.forRoot(config, new InProcessTransport(), nobody)], runtime, {
  host: '127.0.0.1',
  port: 0,
});
const { address } = await attachGrpc(server.app, runtime, { host: '127.0.0.1', port: 0, services: orchestratorGrpc.services });
process.stdout.write(`${JSON.stringify({ address, bare: await bare(store, single), token, folder, long, single })}\n`);
