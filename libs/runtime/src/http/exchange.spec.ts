import { createServer } from 'node:http';
import { ThingsModule, expectProblem, testRuntime, testServer, thingsApi } from '@understudy/testing';
import type { TestRuntime } from '@understudy/testing';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HttpServer } from '../boot.js';
import { openApiDocument } from './openapi.js';

let rim: TestRuntime;
let server: HttpServer;

beforeAll(async () => {
  rim = await testRuntime();
  server = await testServer([ThingsModule], rim);
});
afterAll(async () => {
  await server.close();
  rim.remove();
});

const http = () => request(server.url);
const key = () => `"${crypto.randomUUID()}"`;
const post = (body: unknown) =>
  http()
    .post('/v1/things')
    .set('authorization', rim.bearer.operator)
    .set('idempotency-key', key())
    .send(body as object);

describe('routes and representations', () => {
  it('an unknown route, an unknown method and an unknown representation', async () => {
    expectProblem(await http().get('/v1/nothing'), 404, 'ROUTE_UNKNOWN');
    const patch = await http().patch('/v1/things/7');
    expectProblem(patch, 405, 'METHOD_NOT_ALLOWED');
    expect(patch.headers['allow']).toBe('DELETE, GET, HEAD, PUT');
    expectProblem(
      await http().get('/v1/things').set('authorization', rim.bearer.viewer).set('accept', 'image/png'),
      406,
      'REPRESENTATION_UNKNOWN',
    );
  });
  it('a malformed target and header section are problems too', async () => {
    const response = await http().get('/v1/things/%zz').set('authorization', rim.bearer.viewer);
    expect(response.status).toBe(400);
  });
});

describe('failures', () => {
  it('a refusal keeps its code and gets the status of its kind', async () => {
    expectProblem(await post({ name: 'refused' }), 423, 'NAME_HELD');
  });
  it('a bug tells nothing of itself', async () => {
    const response = await post({ name: 'bug' });
    expectProblem(response, 500, 'INTERNAL');
    expect(response.text).not.toContain('secret stack');
  });
  it('a store that is away is 503 with Retry-After', async () => {
    const response = await post({ name: 'away' });
    expectProblem(response, 503, 'STORE_UNAVAILABLE');
    expect(Number(response.headers['retry-after'])).toBeGreaterThan(0);
  });
});

describe('what the store says to a read', () => {
  it('while it starts is 503: whoever asked may ask again', async () => {
    expectProblem(await post({ name: 'starting' }), 503, 'STORE_UNAVAILABLE');
  });
  it('about a statement that is wrong is a bug of ours', async () => {
    expectProblem(await post({ name: 'missing' }), 500, 'INTERNAL');
  });
});

describe('streams', () => {
  const get = (accept: string) =>
    http()
      .get('/v1/things/1/events')
      .set('authorization', rim.bearer.viewer)
      .set('accept', accept)
      .buffer(true)
      .parse((res, done) => {
        let text = '';
        res.on('data', (chunk: Buffer) => (text += chunk.toString())).on('end', () => done(null, text));
      });
  it('NDJSON is one document per line', async () => {
    const { body } = await get('application/x-ndjson');
    expect(
      String(body)
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([1, 2, 3, 4, 5].map((id) => ({ id })));
  });
  it('server-sent events resume after Last-Event-ID', async () => {
    const { body } = await get('text/event-stream').set('last-event-id', '3');
    expect(String(body)).toBe('retry: 2000\n\nevent: tick\nid: 4\ndata: {"id":4}\n\nevent: tick\nid: 5\ndata: {"id":5}\n\n');
    expectProblem(
      await http().get('/v1/things/1/events').set('authorization', rim.bearer.viewer).set('last-event-id', 'x'),
      400,
      'LAST_EVENT_ID_INVALID',
    );
  });
});

describe('documents and the process', () => {
  it('the OpenAPI document names every operation with roles and problems', async () => {
    const { body } = await http().get('/v1/things/openapi.json');
    expect(body).toEqual(JSON.parse(JSON.stringify(openApiDocument(thingsApi))));
    expect(body.openapi).toBe('3.1.1');
    const create = body.paths['/v1/things'].post;
    expect(create.operationId).toBe('createThing');
    expect(create['x-role']).toBe('operator');
    expect(Object.keys(create.responses)).toEqual(
      expect.arrayContaining(['201', '400', '401', '403', '413', '415', '422', '500', '503']),
    );
    expect(create.requestBody.content['application/yaml'].schema).toEqual({ $ref: '#/components/schemas/NewThing' });
    expect(body.components.schemas.Things.properties.items.items).toEqual({ $ref: '#/components/schemas/Thing' });
  });
  it('health tells the parts, degraded is ready, down is not', async () => {
    rim.runtime.health.register('bus', () => ({ status: 'degraded', reason: 'away since noon' }));
    const degraded = await http().get('/health/ready');
    expect([degraded.status, degraded.body.status]).toEqual([200, 'degraded']);
    rim.runtime.health.register('store', () => Promise.reject(new Error('x')));
    const down = await http().get('/health/ready');
    expect([down.status, down.body.parts.store.status]).toEqual([503, 'down']);
    expect((await http().get('/health/live')).status).toBe(200);
  });
  it('metrics count requests by declared route', async () => {
    await http().get('/v1/things/1').set('authorization', rim.bearer.viewer);
    const { text } = await http().get('/metrics');
    expect(text).toMatch(/http_server_request_duration_seconds_count\{[^}]*route="\/v1\/things\/:id"[^}]*\} \d+/);
  });
  it('closing lets a running request end and frees the port', async () => {
    const own = await testServer([ThingsModule], rim);
    await own.close();
    await own.close();
    const port = Number(new URL(own.url).port);
    const probe = createServer();
    await new Promise<void>((resolve, reject) => probe.once('error', reject).listen(port, '127.0.0.1', resolve));
    await new Promise((resolve) => probe.close(resolve));
  });
});
