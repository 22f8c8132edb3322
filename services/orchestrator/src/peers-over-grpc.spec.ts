import { create } from '@bufbuild/protobuf';
import type { DescService, Message } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Server, ServerCredentials, loadPackageDefinition } from '@grpc/grpc-js';
import type { GrpcObject, Metadata, ServiceClientConstructor, sendUnaryData } from '@grpc/grpc-js';
import { drift, inventory, notification } from '@understudy/contracts';
import { packageDefinition, type Log } from '@understudy/runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PeersOverGrpc } from './peers-over-grpc.js';
import { orchestratorProgram } from './program.js';

const DEADLINE_MS = 5_000;
const SHORT_MS = 300;
const AT = Date.parse('2026-11-22T04:00:00Z');

type Answer = () => Message | undefined;
type Unary = (call: { readonly metadata: Metadata }, done: sendUnaryData<Message>) => void;

/** The three owners behind one port; undefined = silence. */
const owners = new Server();
const tokens: string[] = [];
let answers: Readonly<Record<string, Answer>> = {};
let peers: PeersOverGrpc;

function serve(service: DescService): void {
  const loaded = loadPackageDefinition(packageDefinition([service]));
  const path = service.typeName.split('.');
  const found = path.reduce<GrpcObject>((at, name) => at[name] as GrpcObject, loaded) as unknown as ServiceClientConstructor;
  const handlers: Record<string, Unary> = {};
  for (const { name } of service.methods) {
    handlers[name] = ({ metadata }, done) => {
      tokens.push(String(metadata.get('authorization')[0]));
      const answer = answers[name]?.();
      if (answer !== undefined) done(null, answer);
    };
  }
  owners.addService(found.service, handlers);
}

beforeAll(async () => {
  [inventory.ClusterService, drift.FindingService, notification.TicketService].forEach(serve);
  const port = await new Promise<number>((resolve, reject) => {
    owners.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const address = `127.0.0.1:${port}`;
  peers = new PeersOverGrpc({ inventory: address, drift: address, notification: address, token: () => 'the-token' });
});

afterAll(() => {
  peers.close();
  owners.forceShutdown();
});

describe('the second look over gRPC', () => {
  it('tells what the owner says, in the words of the gates, with a token', async () => {
    answers = {
      GetHaLayer: () =>
        create(inventory.GetHaLayerResponseSchema, {
          classification: { haLayer: inventory.HaLayer.APPLICATION, rolling: true, reason: 'A standby streams.' },
        }),
      GetDriftAssessment: () =>
        create(drift.GetDriftAssessmentResponseSchema, {
          assessment: {
            requestId: 'r',
            assessedAt: timestampFromMs(AT),
            blocking: [{ findingId: 'f', node: 'b', name: 'n' }],
            warnings: 2,
          },
        }),
      GetChange: () =>
        create(notification.GetChangeResponseSchema, {
          change: { ticketId: 't', number: 'CHG-1', approver: 'boss', approved: true, expiresAt: timestampFromMs(AT) },
        }),
    };
    expect(await peers.haLayer('orders', DEADLINE_MS)).toEqual({
      haLayer: 'application',
      rolling: true,
      reason: 'A standby streams.',
    });
    expect(await peers.driftAssessment('orders', 'r', DEADLINE_MS)).toMatchObject({
      requestId: 'r',
      assessedAt: '2026-11-22T04:00:00Z',
      blocking: [{ findingId: 'f', node: 'b', name: 'n', value: '' }],
      warnings: 2,
      waived: 0,
      incomplete: [],
    });
    expect(await peers.change('w', DEADLINE_MS)).toEqual({
      ticketId: 't',
      number: 'CHG-1',
      approver: 'boss',
      approved: true,
      expiresAt: '2026-11-22T04:00:00.000Z',
      reason: null,
    });
    expect(tokens).toEqual(['Bearer the-token', 'Bearer the-token', 'Bearer the-token']);
  });

  it('is no answer where the owner knows nothing, or says a layer that this version does not know', async () => {
    answers = {
      GetHaLayer: () => create(inventory.GetHaLayerResponseSchema, {}),
      GetDriftAssessment: () => create(drift.GetDriftAssessmentResponseSchema, {}),
      GetChange: () => create(notification.GetChangeResponseSchema, {}),
    };
    expect(await peers.haLayer('orders', DEADLINE_MS)).toBeNull();
    expect(await peers.driftAssessment('orders', 'r', DEADLINE_MS)).toBeNull();
    expect(await peers.change('w', DEADLINE_MS)).toBeNull();
    answers = {
      GetHaLayer: () =>
        create(inventory.GetHaLayerResponseSchema, { classification: { haLayer: 42 as inventory.HaLayer, rolling: true } }),
    };
    expect(await peers.haLayer('orders', DEADLINE_MS)).toBeNull();
  });

  it('is no answer where the owner is silent past the deadline, or is not there', async () => {
    answers = {};
    const began = performance.now();
    expect(await peers.change('w', SHORT_MS)).toBeNull();
    expect(performance.now() - began).toBeLessThan(SHORT_MS + 2_000);
    const logged: unknown[] = [];
    const warn = (fields: unknown): void => void logged.push(fields);
    const away = new PeersOverGrpc({
      inventory: '127.0.0.1:1',
      drift: '127.0.0.1:1',
      notification: '127.0.0.1:1',
      token: () => '',
      log: { warn } as unknown as Log,
    });
    expect(await away.haLayer('orders', DEADLINE_MS)).toBeNull();
    expect(logged).toMatchObject([{ owner: 'inventory', status: 'UNAVAILABLE' }]);
    away.close();
  });

  it('does not begin over a line in clear to another machine', () => {
    const settings = {
      inventoryGrpc: '127.0.0.1:1',
      driftGrpc: 'drift.example:7501',
      notificationGrpc: '[::1]:1',
      peersTls: false,
    };
    const compose = (): unknown => orchestratorProgram.compose({ settings } as never);
    expect(compose).toThrow(/^Not started[^]*DRIFT_GRPC drift\.example:7501 is another machine and PEERS_TLS is not true/);
    expect(compose).not.toThrow(/INVENTORY_GRPC|NOTIFICATION_GRPC/);
  });
});
