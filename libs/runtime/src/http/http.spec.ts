import { THING_NAMES, ThingsModule, expectProblem, testRuntime, testServer } from '@understudy/testing';
import type { TestRuntime } from '@understudy/testing';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bootHttp } from '../boot.js';
import type { HttpServer } from '../boot.js';
import { SettingsError } from '../config.js';

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
    // A lifetime of less than a millisecond.
    const short = await rim.runtime.tokens.create({ subject: 'late', role: 'viewer', days: 1e-9 });
    const expired = await http().get('/v1/things').set('authorization', `Bearer ${short.token}`);
    expectProblem(expired, 401, 'TOKEN_INVALID');
    expect(expired.body.detail).toContain('expired');
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
    expect(seen).toEqual(THING_NAMES);
  });
  it('a cursor of another list, of another filter, or made up is refused', async () => {
    const { body } = await get('limit=2');
    expectProblem(await get(`cursor=${body.page.nextCursor}`, 'others'), 400, 'CURSOR_INVALID');
    expectProblem(await get(`big=true&cursor=${body.page.nextCursor}`), 400, 'CURSOR_INVALID');
    expectProblem(await get('cursor=AAAA'), 400, 'CURSOR_INVALID');
  });
});

describe('where it listens', () => {
  it('a wider address without TLS does not start', async () => {
    await expect(bootHttp([ThingsModule], rim.runtime, { host: '0.0.0.0', port: 0 })).rejects.toThrow(SettingsError);
    await expect(bootHttp([ThingsModule], rim.runtime, { host: '::', port: 0 })).rejects.toThrow(/BEHIND_TLS_PROXY/);
  });
});
