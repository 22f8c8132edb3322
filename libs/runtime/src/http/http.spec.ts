import { createServer } from 'node:http';
import { Controller, Module } from '@nestjs/common';
import {
  Problem,
  Operation,
  bootHttp,
  openApiController,
  openApiDocument,
  pageOf,
  pageSchema,
  refused,
  reply,
  resumePosition,
  serverSentEvents,
  ndjson,
  SettingsError,
} from '@understudy/runtime';
import type { Api, Call, HttpServer, Reply, StreamItem } from '@understudy/runtime';
import { testRuntime, testServer } from '@understudy/testing';
import type { TestRuntime } from '@understudy/testing';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const THING = {
  title: 'Thing',
  type: 'object',
  required: ['id', 'name'],
  properties: { id: { type: 'string' }, name: { type: 'string' } },
};
const NEW_THING = {
  title: 'NewThing',
  type: 'object',
  additionalProperties: false,
  required: ['name'],
  properties: {
    name: { type: 'string', minLength: 1 },
    size: { type: 'integer', maximum: 10 },
    tags: { type: 'array', items: { type: 'string' } },
  },
};
const NAMES = ['a', 'b', 'c', 'd', 'e'];

async function* counted(from: number, to: number): AsyncGenerator<StreamItem> {
  for (let id = from + 1; id <= to; id += 1) yield { id, event: 'tick', data: { id } };
}

@Controller()
class ThingsController {
  @Operation({
    method: 'POST',
    path: '/v1/things',
    id: 'createThing',
    summary: 'Make one',
    tag: 'things',
    role: 'operator',
    creates: true,
    yaml: true,
    body: NEW_THING,
    answers: { 201: { description: 'It.', schema: THING } },
  })
  create(call: Call<{ name: string }>): Reply {
    if (call.body.name === 'refused')
      throw refused({ kind: 'locked', refusals: [{ pointer: '/name', code: 'NAME_HELD', detail: 'Held.' }] });
    if (call.body.name === 'bug') throw new Error('secret stack');
    if (call.body.name === 'away') throw Object.assign(new Error('gone'), { name: 'StoreUnavailable' });
    return reply.created(
      { id: call.newId, name: call.body.name, actor: call.actor, metadata: call.metadata },
      { location: `/v1/things/${call.newId}`, version: 1 },
    );
  }

  @Operation({
    method: 'GET',
    path: '/v1/things',
    id: 'listThings',
    summary: 'List them',
    tag: 'things',
    role: 'viewer',
    list: 'things',
    query: { big: { type: 'boolean' } },
    answers: { 200: { description: 'A page.', schema: pageSchema('Things', THING) } },
  })
  list(call: Call): Reply {
    const page = call.page({ big: call.query['big'] });
    const rows = NAMES.filter((name) => page.after === undefined || name > String(page.after[0])).slice(0, page.limit + 1);
    return reply.ok(
      pageOf(
        page,
        rows,
        (name) => [name],
        (name) => ({ id: name, name }),
      ),
    );
  }

  @Operation({
    method: 'GET',
    path: '/v1/others',
    id: 'listOthers',
    summary: 'List others',
    tag: 'things',
    role: 'viewer',
    list: 'others',
    answers: { 200: { description: 'A page.', schema: pageSchema('Things', THING) } },
  })
  others(call: Call): Reply {
    return reply.ok(
      pageOf(
        call.page(),
        [],
        () => [''],
        () => ({}),
      ),
    );
  }

  @Operation({
    method: 'PUT',
    path: '/v1/things/{id}',
    id: 'putThing',
    summary: 'Change',
    tag: 'things',
    role: 'operator',
    ifMatch: 'required',
    body: NEW_THING,
    answers: { 200: { description: 'It.', schema: THING } },
  })
  put(call: Call): Reply {
    if (call.expectedVersion !== undefined && call.expectedVersion !== 3)
      throw new Problem('precondition', 'VERSION_MISMATCH', 'It is at version 3 now.');
    return reply.ok({ id: call.params['id'], name: 'x' }, { version: 4 });
  }

  @Operation({
    method: 'GET',
    path: '/v1/things/{id}',
    id: 'getThing',
    summary: 'One',
    tag: 'things',
    role: 'viewer',
    answers: { 200: { description: 'It.', schema: THING, headers: { ETag: 'Version.' } } },
  })
  get(call: Call): Reply {
    return reply.ok({ id: call.params['id'], name: 'x' }, { version: 3 });
  }

  @Operation({
    method: 'GET',
    path: '/v1/things/{id}/events',
    id: 'thingEvents',
    summary: 'Stream',
    tag: 'things',
    role: 'viewer',
    query: { after: { type: 'integer', minimum: 0 } },
    answers: {
      200: {
        description: 'Events.',
        schema: { type: 'array' },
        types: ['application/json', 'application/x-ndjson', 'text/event-stream'],
      },
    },
  })
  events(call: Call): Reply {
    const source = counted(resumePosition(call), 5);
    if (call.accept === 'text/event-stream') return reply.stream(serverSentEvents(source, call.signal), call.accept);
    if (call.accept === 'application/x-ndjson') return reply.stream(ndjson(source, call.signal), call.accept);
    return reply.ok([]);
  }

  @Operation({
    method: 'DELETE',
    path: '/v1/things/{id}',
    id: 'deleteThing',
    summary: 'Remove',
    tag: 'things',
    role: 'admin',
    answers: { 204: { description: 'Gone.' } },
  })
  remove(): Reply {
    return reply.noContent();
  }
}

const api: Api = { name: 'things', title: 'Things', description: 'For the spec.', controllers: [ThingsController] };

@Module({ controllers: [...api.controllers, openApiController(api)] })
class ThingsModule {}

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

function expectProblem(response: request.Response, status: number, code: string): void {
  expect(response.headers['content-type']).toContain('application/problem+json');
  expect(response.body).toMatchObject({
    status,
    code,
    type: `urn:understudy:problem:${code.toLowerCase().replaceAll('_', '-')}`,
  });
  expect(response.body.traceId).toMatch(/^[0-9a-f]{32}$/);
  expect(response.status).toBe(status);
}

describe('who may come in', () => {
  it('a body that is not even JSON is not read before the token is checked', async () => {
    const response = await http().post('/v1/things').set('content-type', 'application/json').send('{{{');
    expectProblem(response, 401, 'TOKEN_REQUIRED');
    expect(response.headers['www-authenticate']).toContain('Bearer');
  });
  it('an unknown, a revoked and an expired token are told apart', async () => {
    expectProblem(await http().get('/v1/things').set('authorization', 'Bearer understudy_nobody'), 401, 'TOKEN_INVALID');
    const { token, record } = await rim.runtime.tokens.create({ subject: 'gone', role: 'viewer' });
    expect((await http().get('/v1/things').set('authorization', `Bearer ${token}`)).status).toBe(200);
    await rim.runtime.tokens.revoke(record.id);
    const revoked = await http().get('/v1/things').set('authorization', `Bearer ${token}`);
    expectProblem(revoked, 401, 'TOKEN_INVALID');
    expect(revoked.body.detail).toContain('revoked');
  });
  it('a role that does not suffice is told which role does', async () => {
    const response = await post({ name: 'x' }).set('authorization', rim.bearer.viewer);
    expectProblem(response, 403, 'ROLE_REQUIRED');
    expect(response.body.detail).toContain('operator');
    expectProblem(await http().delete('/v1/things/1').set('authorization', rim.bearer.operator), 403, 'ROLE_REQUIRED');
    expectProblem(await post({ name: 'x' }).set('authorization', rim.bearer.approver), 403, 'ROLE_REQUIRED');
    expect((await http().delete('/v1/things/1').set('authorization', rim.bearer.admin)).status).toBe(204);
  });
});

describe('the shape at the door', () => {
  it('drops nothing and converts nothing, and tells all errors with pointers', async () => {
    const response = await post({ name: 5, size: '3', surplus: true });
    expectProblem(response, 422, 'VALIDATION_FAILED');
    expect(response.body.errors.map(({ pointer, code }: { pointer: string; code: string }) => [pointer, code]).sort()).toEqual([
      ['/name', 'WRONG_TYPE'],
      ['/size', 'WRONG_TYPE'],
      ['/surplus', 'UNKNOWN_FIELD'],
    ]);
  });
  it('a missing field is pointed at', async () => {
    const response = await post({});
    expect(response.body.errors).toEqual([{ pointer: '/name', code: 'REQUIRED', detail: 'name is required here.' }]);
  });
  it('malformed JSON and YAML are told with line and column', async () => {
    const json = await http()
      .post('/v1/things')
      .set('authorization', rim.bearer.operator)
      .set('idempotency-key', key())
      .set('content-type', 'application/json')
      .send('{\n "name": }');
    expectProblem(json, 400, 'JSON_MALFORMED');
    expect(json.body.detail).toContain('line 2, column 10');
    const cut = await http()
      .post('/v1/things')
      .set('authorization', rim.bearer.operator)
      .set('idempotency-key', key())
      .set('content-type', 'application/json')
      .send('{"name": "x"');
    expect(cut.body.detail).toMatch(/line 1, column 13: it ends too early/);
    const yaml = await http()
      .post('/v1/things')
      .set('authorization', rim.bearer.operator)
      .set('idempotency-key', key())
      .set('content-type', 'application/yaml')
      .send('name: x\nname: y\n');
    expectProblem(yaml, 400, 'YAML_MALFORMED');
    expect(yaml.body.detail).toContain('line 2, column 1');
  });
  it('YAML is read where it is allowed and refused elsewhere', async () => {
    const yaml = await http()
      .post('/v1/things')
      .set('authorization', rim.bearer.operator)
      .set('idempotency-key', key())
      .set('content-type', 'application/yaml')
      .send('name: x # hello\n');
    expect(yaml.status).toBe(201);
    const put = await http()
      .put('/v1/things/1')
      .set('authorization', rim.bearer.operator)
      .set('if-match', '"3"')
      .set('content-type', 'application/yaml')
      .send('name: x\n');
    expectProblem(put, 415, 'MEDIA_TYPE_UNSUPPORTED');
    const xml = await http()
      .post('/v1/things')
      .set('authorization', rim.bearer.operator)
      .set('idempotency-key', key())
      .set('content-type', 'text/xml')
      .send('<x/>');
    expectProblem(xml, 415, 'MEDIA_TYPE_UNSUPPORTED');
  });
  it('a body over 1 MiB is refused', async () => {
    expectProblem(await post({ name: 'x'.repeat(1024 * 1024) }), 413, 'BODY_TOO_LARGE');
  });
  it('a body where none is taken is refused, not dropped; a missing one is asked for', async () => {
    expectProblem(
      await http().delete('/v1/things/1').set('authorization', rim.bearer.admin).send({ force: true }),
      400,
      'BODY_NOT_EXPECTED',
    );
    expectProblem(
      await http().post('/v1/things').set('authorization', rim.bearer.operator).set('idempotency-key', key()),
      400,
      'BODY_REQUIRED',
    );
  });
  it('query texts become what is declared, strictly', async () => {
    const get = (query: string) => http().get(`/v1/things?${query}`).set('authorization', rim.bearer.viewer);
    expect((await get('limit=2&big=true')).status).toBe(200);
    for (const wrong of ['limit=2x', 'limit=0', 'limit=201', 'big=yes', 'unknown=1', 'limit=1&limit=2']) {
      const response = await get(wrong);
      expectProblem(response, 400, 'VALIDATION_FAILED');
      expect(response.body.errors[0].in).toBe('query');
    }
  });
});

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

describe('repeating and concurrency', () => {
  it('a creating POST needs a key; the same key gives the same id, quoted or not, and another principal another', async () => {
    expectProblem(
      await http().post('/v1/things').set('authorization', rim.bearer.operator).send({ name: 'x' }),
      400,
      'IDEMPOTENCY_KEY_REQUIRED',
    );
    const send = (bearer: string, text: string) =>
      http().post('/v1/things').set('authorization', bearer).set('idempotency-key', text).send({ name: 'x' });
    const first = await send(rim.bearer.operator, '"k-1"');
    const second = await send(rim.bearer.operator, 'k-1');
    const other = await send(rim.bearer.admin, 'k-1');
    expect(second.body.id).toBe(first.body.id);
    expect(first.body.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(other.body.id).not.toBe(first.body.id);
    expect(first.body.metadata.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(first.body.actor).toMatchObject({ subject: 'operator', role: 'operator', from: '127.0.0.1' });
    expect(first.body.actor.authentication).toMatch(/^token:/);
    expect(first.headers['etag']).toBe('"1"');
    expect(first.headers['location']).toBe(`/v1/things/${first.body.id}`);
  });
  it('If-Match is required (428), compared (412), read strictly (400)', async () => {
    const put = () => http().put('/v1/things/1').set('authorization', rim.bearer.operator).send({ name: 'x' });
    expectProblem(await put(), 428, 'IF_MATCH_REQUIRED');
    expectProblem(await put().set('if-match', '"2"'), 412, 'VERSION_MISMATCH');
    expectProblem(await put().set('if-match', 'W/"3"'), 400, 'IF_MATCH_INVALID');
    expect((await put().set('if-match', '"3"')).status).toBe(200);
    expect((await put().set('if-match', '*')).headers['etag']).toBe('"4"');
  });
  it('If-None-Match saves the body', async () => {
    const response = await http().get('/v1/things/1').set('authorization', rim.bearer.viewer).set('if-none-match', '"1", "3"');
    expect(response.status).toBe(304);
    expect(response.text).toBe('');
  });
});

describe('lists', () => {
  const get = (query: string, list = 'things') => http().get(`/v1/${list}?${query}`).set('authorization', rim.bearer.viewer);
  it('pages go through the whole list once', async () => {
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { body }: request.Response = await get(`limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`);
      seen.push(...body.items.map(({ id }: { id: string }) => id));
      cursor = body.page.nextCursor;
    }
    expect(seen).toEqual(NAMES);
  });
  it('a cursor of another list, of another filter, or made up is refused', async () => {
    const { body } = await get('limit=2');
    expectProblem(await get(`cursor=${body.page.nextCursor}`, 'others'), 400, 'CURSOR_INVALID');
    expectProblem(await get(`big=true&cursor=${body.page.nextCursor}`), 400, 'CURSOR_INVALID');
    expectProblem(await get('cursor=AAAA'), 400, 'CURSOR_INVALID');
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
    expect(body).toEqual(JSON.parse(JSON.stringify(openApiDocument(api))));
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
    const { text } = await http().get('/metrics');
    expect(text).toMatch(/http_server_request_duration_seconds_count\{[^}]*route="\/v1\/things\/:id"[^}]*\} \d+/);
  });
  it('a wider address without TLS does not start', async () => {
    await expect(bootHttp([ThingsModule], rim.runtime, { host: '0.0.0.0', port: 0 })).rejects.toThrow(SettingsError);
    await expect(bootHttp([ThingsModule], rim.runtime, { host: '::', port: 0 })).rejects.toThrow(/BEHIND_TLS_PROXY/);
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
