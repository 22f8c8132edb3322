import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { DescMessage, DescMethodServerStreaming, DescMethodUnary, Message } from '@bufbuild/protobuf';
import { create, toJson } from '@bufbuild/protobuf';
import { Client, Metadata, credentials } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { health as contract } from '@understudy/contracts';
import type { TestRpc, TestRuntime } from '@understudy/testing';
import { eventually, failureOf, rpcFailure, testRpc, testRuntime, testServer } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HttpServer } from '../boot.js';
import { RpcClient } from './client.js';
import { Seen, WATCHED, echoModule, echoService } from './fixtures/contract.js';

const DEADLINE_MS = 10_000;
const methodOf = (name: string) => echoService.methods.find((method) => method.name === name) as unknown;
const echo = methodOf('Echo') as DescMethodUnary<DescMessage, DescMessage>;
const refuse = methodOf('Refuse') as DescMethodUnary<DescMessage, DescMessage>;
const wait = methodOf('Wait') as DescMethodUnary<DescMessage, DescMessage>;
const watch = methodOf('Watch') as DescMethodServerStreaming<DescMessage, DescMessage>;
const { check, list } = contract.Health.method;

let rim: TestRuntime;
let server: HttpServer;
let rpc: TestRpc;
const seen = new Seen();

beforeAll(async () => {
  rim = await testRuntime();
  server = await testServer([echoModule(seen, rim.runtime)], rim);
  rpc = await testRpc(server, rim, [echoService]);
});

afterAll(async () => {
  await rpc?.close();
  await server?.close();
  rim?.remove();
});

const ask = (
  client: RpcClient,
  method: DescMethodUnary<DescMessage, DescMessage>,
  request: object,
  deadlineMs = DEADLINE_MS,
): Promise<Message> => client.call(method, request as never, deadlineMs);

describe('a message', () => {
  it('crosses both ways with an int64 above 2^53, a oneof and an enum', async () => {
    const big = 2n ** 53n + 1n;
    const request = { big, colour: 2, key: { case: 'byNumber', value: -(2n ** 40n) }, tags: ['a', 'b'] };
    const answer = await ask(rpc.as('operator'), echo, request);
    expect(answer).toMatchObject(request);
    expect(seen.calls.at(-1)?.body).toEqual({
      big: '9007199254740993',
      colour: 'dark-blue',
      byNumber: -1_099_511_627_776,
      tags: ['a', 'b'],
    });
    const named = await ask(rpc.as('operator'), echo, { colour: 1, key: { case: 'byName', value: 'né' } });
    expect(toJson(echo.output, named)).toEqual({ colour: 'COLOUR_RED', byName: 'né' });
  });

  it('is checked by the operation’s schema, and every mistake has its field', async () => {
    const wrong = { colour: 7, key: { case: 'byName', value: 'x' }, tags: [] };
    const failure = await rpcFailure(ask(rpc.as('operator'), echo, wrong));
    expect(failure).toMatchObject({ code: 3, reason: 'VALIDATION_FAILED' });
    expect([...failure.fields].sort()).toEqual(['by_name: WRONG_SIZE', 'colour: NOT_ALLOWED']);
    expect(await rpcFailure(ask(rpc.as('operator'), echo, {}))).toMatchObject({ fields: ['colour: REQUIRED'] });
  });

  it('that holds an int64 which the schema’s number cannot is refused, and not rounded', async () => {
    const request = { colour: 1, key: { case: 'byNumber', value: 2n ** 53n + 1n } };
    expect(await rpcFailure(ask(rpc.as('operator'), echo, request))).toMatchObject({
      code: 3,
      fields: ['by_number: WRONG_TYPE'],
    });
  });

  it('of more than 1 MiB is not taken', async () => {
    const request = { colour: 1, tags: ['x'.repeat(1024 * 1024)] };
    expect(await rpcFailure(ask(rpc.as('operator'), echo, request))).toMatchObject({ code: 8 });
  });
});

/** Sends bytes as they are. */
function raw(path: string, bytes: Buffer, authorization?: string): Promise<ServiceError> {
  const client = new Client(rpc.address, credentials.createInsecure());
  const metadata = new Metadata();
  if (authorization !== undefined) metadata.set('authorization', authorization);
  return new Promise((resolve, reject) => {
    const same = (given: Buffer): Buffer => given;
    client.makeUnaryRequest(path, same, same, bytes, metadata, { deadline: Date.now() + DEADLINE_MS }, (error) => {
      client.close();
      if (error === null) reject(new Error('the call should have failed'));
      else resolve(error);
    });
  });
}

describe('the token', () => {
  const path = '/understudy.spec.v1.EchoService/Echo';

  it('is checked before the message is read: bytes that are no message are of no interest without it', async () => {
    const nonsense = Buffer.from([0xff, 0xff, 0xff]);
    expect(failureOf(await raw(path, nonsense))).toMatchObject({ code: 16, reason: 'TOKEN_REQUIRED' });
    expect(failureOf(await raw(path, nonsense, rim.bearer.viewer))).toMatchObject({ code: 7, reason: 'ROLE_REQUIRED' });
    expect(failureOf(await raw(path, nonsense, rim.bearer.operator))).toMatchObject({ code: 3, reason: 'MESSAGE_MALFORMED' });
  });

  it('does not help a message with fields that this version does not know', async () => {
    const unknown = Buffer.from([0x98, 0x06, 0x01]);
    expect(failureOf(await raw(path, unknown, rim.bearer.operator))).toMatchObject({ code: 3, reason: 'UNKNOWN_FIELD' });
  });
});

describe('a refusal', () => {
  const refusedAs = async (kind: string) => rpcFailure(ask(rpc.as('operator'), refuse, { kind }));

  it('has the code of its kind, the reason and sentence of REST, and what is wrong in the state', async () => {
    const common = { reason: 'NOT_NOW', message: 'Not now.', violations: ['kind: NOT_NOW'] };
    expect(await refusedAs('precondition')).toMatchObject({ code: 10, ...common });
    expect(await refusedAs('conflict')).toMatchObject({ code: 9, ...common });
    expect(await refusedAs('locked')).toMatchObject({ code: 9, ...common });
  });

  it('of a store that is away may be tried again; a mistake of ours says nothing of itself', async () => {
    expect(await refusedAs('away')).toMatchObject({ code: 14, reason: 'STORE_UNAVAILABLE' });
    const bug = await refusedAs('bug');
    expect(bug).toMatchObject({ code: 13, reason: 'INTERNAL', traceId: expect.stringMatching(/^[0-9a-f]{32}$/) });
    expect(JSON.stringify(bug)).not.toContain('secret stack');
  });
});

describe('a deadline', () => {
  it('ends the call and its work', async () => {
    const before = seen.calls.length;
    expect(await rpcFailure(ask(rpc.as('operator'), wait, {}, 500))).toMatchObject({ code: 4 });
    await eventually('the work was told to stop', () => seen.calls[before]?.signal.aborted === true);
  });
});

describe('a stream', () => {
  it('gives each item once and in order, from a position on, and waits for a slow reader', async () => {
    const got: bigint[] = [];
    const stop = new AbortController();
    let ahead = 0;
    for await (const message of rpc.as('operator').watch(watch, { after: 100n }, stop.signal)) {
      const { big } = (message as unknown as { event: { big: bigint } }).event;
      got.push(big);
      ahead = Math.max(ahead, seen.drawn - Number(big));
      if (got.length === WATCHED - 100) stop.abort();
    }
    expect(got).toEqual(Array.from({ length: WATCHED - 100 }, (_, index) => BigInt(index + 101)));
    // 10 kB each: what is drawn and not read fills the connection's window and the 16 messages of each side, and no more.
    expect(ahead).toBeLessThan(200);
    await eventually('the source has ended', () => seen.stopped === 1);
  });

  it('is refused as a call is', async () => {
    const watching = async (role: 'viewer' | 'operator', after: bigint): Promise<void> => {
      for await (const message of rpc.as(role).watch(watch, { after })) throw new Error(String(message));
    };
    expect(await rpcFailure(watching('viewer', 1n))).toMatchObject({ code: 7, reason: 'ROLE_REQUIRED' });
    expect(await rpcFailure(watching('operator', 2n ** 60n))).toMatchObject({ code: 3, fields: ['after: WRONG_TYPE'] });
  });
});

describe('health', () => {
  it('follows the process, without a token, and knows its services', async () => {
    const client = rpc.as({ token: '' });
    const status = async (service: string) => (await client.call(check, { service }, DEADLINE_MS)).status;
    let up = true;
    rim.runtime.health.register('spec', () => ({ status: up ? 'ok' : 'down' }));
    expect(await status('')).toBe(contract.HealthCheckResponse_ServingStatus.SERVING);
    const told: contract.HealthCheckResponse_ServingStatus[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      for await (const { status: now } of client.watch(contract.Health.method.watch, { service: '' }, stop.signal))
        told.push(now);
    })();
    await eventually('a watcher is told', () => told.length === 1);
    up = false;
    expect(await status('understudy.spec.v1.EchoService')).toBe(contract.HealthCheckResponse_ServingStatus.NOT_SERVING);
    await eventually('a watcher is told of the change', () => told.length === 2);
    stop.abort();
    await watching;
    up = true;
    expect(Object.keys((await client.call(list, {}, DEADLINE_MS)).statuses).sort()).toEqual([
      '',
      'understudy.spec.v1.EchoService',
    ]);
    expect(await rpcFailure(status('nobody'))).toMatchObject({ code: 5 });
  });
});

describe('the port', () => {
  it('is not opened in clear for other machines', async () => {
    const opened = testRpc(server, rim, [echoService], { host: '0.0.0.0' });
    await expect(opened).rejects.toThrow(/tokens would cross the network in clear/);
  });

  it('speaks TLS', async () => {
    const [certFile, keyFile] = [join(rim.folder, 'cert.pem'), join(rim.folder, 'key.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', keyFile, '-out', certFile, ...subject], {
      stdio: 'ignore',
    });
    const own = new Seen();
    const secured = await testServer([echoModule(own, rim.runtime)], rim);
    const port = await testRpc(secured, rim, [echoService], { tls: { certFile, keyFile } });
    await ask(port.as('operator'), echo, { colour: 1 });
    expect(own.calls).toHaveLength(1);
    const clear = new RpcClient({ address: port.address });
    expect(await rpcFailure(ask(clear, echo, { colour: 1 }, 2_000))).toMatchObject({
      code: expect.toSatisfy((code) => [4, 14].includes(code)),
    });
    clear.close();
    await port.close();
    await secured.close();
  });

  it('lets its watchers go at once when it closes, and says where to go on', async () => {
    const own = new Seen();
    const leaving = await testServer([echoModule(own, rim.runtime)], rim);
    const port = await testRpc(leaving, rim, [echoService]);
    const watching = (async () => {
      for await (const message of port.as('operator').watch(watch, create(watch.input, { after: BigInt(WATCHED - 1) })))
        void message;
    })();
    const refusedWatch = rpcFailure(watching);
    await eventually('it watches', () => own.drawn === WATCHED);
    const began = performance.now();
    await port.close();
    expect(performance.now() - began).toBeLessThan(4_000);
    expect(await refusedWatch).toMatchObject({ code: 14, reason: 'SHUTTING_DOWN' });
    await leaving.close();
  });
});
