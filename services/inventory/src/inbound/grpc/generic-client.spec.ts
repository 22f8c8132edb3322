/** A client that knows nothing of us but host, port and token: what it calls, it learns from the server's reflection. */
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createFileRegistry, create, fromBinary, fromJson, toBinary, toJson } from '@bufbuild/protobuf';
import type { FileRegistry, JsonObject } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import type { FileDescriptorProto } from '@bufbuild/protobuf/wkt';
import { Client, Metadata, credentials, loadPackageDefinition } from '@grpc/grpc-js';
import type { ClientDuplexStream, GrpcObject, ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { TestRpc } from '@understudy/testing';
import { testRpc } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InventoryUnderTest } from '../../fixtures/contract.js';
import { inventoryGrpc } from './api.js';

const DEADLINE_MS = 10_000;

interface Told {
  readonly listServicesResponse?: { readonly service: readonly { readonly name: string }[] };
  readonly fileDescriptorResponse?: { readonly fileDescriptorProto: readonly Buffer[] };
  readonly errorResponse?: { readonly errorMessage: string };
}

/** Asks one question of the reflection service, of version `v1` or `v1alpha`. */
function reflect(address: string, version: string, question: object): Promise<Told> {
  const reflection = dirname(createRequire(import.meta.url).resolve('@grpc/reflection/package.json'));
  const proto = join(reflection, 'build/proto/grpc/reflection', version, 'reflection.proto');
  const loaded = loadPackageDefinition(loadSync(proto)) as unknown as { grpc: { reflection: GrpcObject } };
  const { ServerReflection } = loaded.grpc.reflection[version] as unknown as { ServerReflection: ServiceClientConstructor };
  const client = new ServerReflection(address, credentials.createInsecure());
  const stream = (client as unknown as { serverReflectionInfo(): ClientDuplexStream<object, Told> }).serverReflectionInfo();
  return new Promise((resolve, reject) => {
    stream.on('error', reject);
    stream.on('data', (told: Told) => {
      resolve(told);
      stream.end();
      client.close();
    });
    stream.write(question);
  });
}

/** The contract of a service with everything that it needs. */
async function contractOf(address: string, service: string): Promise<FileRegistry> {
  const files = new Map<string, FileDescriptorProto>();
  const take = async (question: object): Promise<void> => {
    const { fileDescriptorResponse, errorResponse } = await reflect(address, 'v1', question);
    if (errorResponse !== undefined) throw new Error(errorResponse.errorMessage);
    const found = (fileDescriptorResponse?.fileDescriptorProto ?? []).map((bytes) =>
      fromBinary(FileDescriptorProtoSchema, bytes),
    );
    found.forEach((file) => files.set(file.name, file));
    const missing = found.flatMap(({ dependency }) => dependency).find((name) => !files.has(name));
    if (missing !== undefined) await take({ fileByFilename: missing });
  };
  await take({ fileContainingSymbol: service });
  const inOrder: FileDescriptorProto[] = [];
  const visit = (file: FileDescriptorProto): void => {
    if (inOrder.includes(file)) return;
    file.dependency.flatMap((name) => files.get(name) ?? []).forEach(visit);
    inOrder.push(file);
  };
  [...files.values()].forEach(visit);
  return createFileRegistry(create(FileDescriptorSetSchema, { file: inOrder }));
}

/** Calls a method by its name, with JSON both ways. */
function call(
  address: string,
  contract: FileRegistry,
  name: string,
  request: JsonObject,
  authorization?: string,
): Promise<JsonObject> {
  const [service = '', method = ''] = name.split('/');
  const found = contract.getService(service)?.methods.find((one) => one.name === method);
  if (found === undefined) throw new Error(`there is no ${name}`);
  const metadata = new Metadata();
  if (authorization !== undefined) metadata.set('authorization', authorization);
  const client = new Client(address, credentials.createInsecure());
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      `/${name}`,
      (json: JsonObject) => Buffer.from(toBinary(found.input, fromJson(found.input, json))),
      (bytes: Buffer) => toJson(found.output, fromBinary(found.output, bytes)) as JsonObject,
      request,
      metadata,
      { deadline: Date.now() + DEADLINE_MS },
      (error, answer) => {
        client.close();
        if (error === null && answer !== undefined) resolve(answer);
        else reject(error ?? new Error('no answer'));
      },
    );
  });
}

let under: InventoryUnderTest;
let rpc: TestRpc;

beforeAll(async () => {
  under = await InventoryUnderTest.start();
  rpc = await testRpc(under.server, under.rim, inventoryGrpc.services);
}, 120_000);

afterAll(async () => {
  await rpc?.close();
  await under?.stop();
});

describe('a generic client', () => {
  it('finds the services by either version of reflection', async () => {
    for (const version of ['v1', 'v1alpha']) {
      const { listServicesResponse } = await reflect(rpc.address, version, { listServices: '' });
      const names = listServicesResponse?.service.map(({ name }) => name) ?? [];
      expect(names).toEqual(
        expect.arrayContaining([
          'understudy.inventory.v1.ClusterService',
          'understudy.inventory.v1.CredentialService',
          'grpc.health.v1.Health',
        ]),
      );
    }
  });

  it('asks the health, and performs a command', async () => {
    const health = await contractOf(rpc.address, 'grpc.health.v1.Health');
    expect(await call(rpc.address, health, 'grpc.health.v1.Health/Check', {})).toEqual({ status: 'SERVING' });
    const contract = await contractOf(rpc.address, 'understudy.inventory.v1.ClusterService');
    const { nodes, hosts, settings } = under.lonely('generic');
    const document = {
      slug: 'generic',
      platform: 'postgres-streaming',
      environment: 'ENVIRONMENT_LAB',
      workloads: ['app'],
      nodes: nodes.map(({ slug, host, settings: own }) => ({ slug, host, settings: { ...own } })),
      hosts: hosts.map(({ slug, access }) => ({
        slug,
        access: { kind: 'ACCESS_KIND_LOCAL', root: access.kind === 'local' ? access.root : '' },
        patching: {},
      })),
      settings: { ...settings },
    };
    const request = { idempotencyKey: randomUUID(), document };
    const name = 'understudy.inventory.v1.ClusterService/RegisterCluster';
    await expect(call(rpc.address, contract, name, request)).rejects.toMatchObject({ code: 16 });
    const answer = await call(rpc.address, contract, name, request, under.rim.bearer.operator);
    expect(answer).toMatchObject({ version: '1', cluster: { slug: 'generic', status: 'CLUSTER_STATUS_REGISTERED' } });
    await under.as('viewer').get('/v1/clusters/generic').expect(200);
  });
});
