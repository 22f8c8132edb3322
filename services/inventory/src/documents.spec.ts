import { randomUUID } from 'node:crypto';
import { eventually } from '@understudy/testing';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InventoryUnderTest } from './fixtures/contract.js';

let under: InventoryUnderTest;

beforeAll(async () => {
  under = await InventoryUnderTest.start();
  await under
    .as('admin')
    .put('/v1/credentials/bound')
    .send({ user: 'somebody', source: 'env:NOT_THERE', hosts: ['127.0.0.1'] })
    .expect(200);
}, 120_000);

afterAll(() => under?.stop());

describe('documents that do not hold', () => {
  it('name every reason at once, in words, by place', async () => {
    const [a] = under.lonely('bad').nodes;
    const { body } = await under
      .register(
        under.lonely('bad', {
          platform: 'oracle',
          environment: 'lab',
          twinOf: 'nobody',
          nodes: [{ ...a!, host: 'elsewhere' }],
          credentials: { driver: 'typo' },
        }),
      )
      .expect(422);
    expect(body.errors.map((error: { pointer: string; code: string }) => `${error.pointer} ${error.code}`)).toEqual([
      '/platform UNKNOWN_PLATFORM',
      '/nodes/0/host UNKNOWN_HOST',
      '/hosts/0 UNUSED_HOST',
      '/credentials/driver UNKNOWN_CREDENTIAL',
      '/twinOf UNKNOWN_TWIN',
    ]);
  });
  it('are refused for a field that nobody knows and for a value of another type: nothing is dropped or coerced', async () => {
    const [a] = under.lonely('bad').nodes;
    const { body } = await under
      .register({ ...under.lonely('bad'), hapax: 1, nodes: [{ ...a!, settings: { port: 5432 } }] })
      .expect(422);
    expect(body.errors.map((error: { pointer: string; code: string }) => `${error.pointer} ${error.code}`).sort()).toEqual([
      '/hapax UNKNOWN_FIELD',
      '/nodes/0/settings/port WRONG_TYPE',
    ]);
  });
  it('are refused where a local host has an address, one behind SSH has no user, a pinned key is none', async () => {
    const [host] = under.lonely('bad').hosts;
    const withAccess = async (access: object): Promise<readonly string[]> => {
      const { body } = await under.register({ ...under.lonely('bad'), hosts: [{ ...host!, access }] }).expect(422);
      return body.errors.map((error: { pointer: string; code: string }) => `${error.pointer} ${error.code}`).sort();
    };
    expect(await withAccess({ kind: 'local', root: '/srv', address: '10.0.0.1' })).toEqual([
      '/hosts/0/access/address NOT_ALLOWED',
    ]);
    expect(await withAccess({ kind: 'ssh', root: '/srv', address: '10.0.0.1', hostKeys: ['SHA256:no'] })).toEqual([
      '/hosts/0/access/credential REQUIRED',
      '/hosts/0/access/hostKeys/0 WRONG_FORMAT',
      '/hosts/0/access/user REQUIRED',
    ]);
    const place = { address: '10.0.0.1', user: 'understudy', credential: 'bound' };
    expect(await withAccess({ kind: 'ssh', root: '/srv', ...place })).toEqual([
      '/hosts/0/access/credential CREDENTIAL_NOT_FOR_HOST',
    ]);
  });
  it('are refused with line and column where the YAML is malformed', async () => {
    const { body } = await under
      .as('operator')
      .post('/v1/clusters')
      .set('Idempotency-Key', randomUUID())
      .set('Content-Type', 'application/yaml')
      .send('slug: a\nnodes: [1, 2\nhosts: {}\n')
      .expect(400);
    expect(body).toMatchObject({ code: 'YAML_MALFORMED', detail: expect.stringMatching(/line 3, column \d+/) });
  });
  it('may be YAML', async () => {
    const yaml = JSON.stringify(under.lonely('from-yaml'), null, 2);
    await under
      .as('operator')
      .post('/v1/clusters')
      .set('Idempotency-Key', randomUUID())
      .set('Content-Type', 'application/yaml')
      .send(yaml)
      .expect(201);
  });
  it('may not call one machine by two names, across clusters; one machine may carry two clusters', async () => {
    const [host] = under.lonely('from-yaml').hosts;
    const second = under.lonely('second', { hosts: [{ ...host!, slug: 'second-a' }] });
    const { body } = await under.register(second).expect(422);
    expect(body).toMatchObject({ code: 'SAME_ACCESS_TARGET', errors: [{ pointer: '/hosts/0/access' }] });
    expect(body.detail).toContain('was registered with cluster "from-yaml"');
    await under
      .register(under.lonely('second', { hosts: [host!], nodes: [{ ...under.lonely('second').nodes[0]!, host: host!.slug }] }))
      .expect(201);
    const concurrent = await Promise.all(
      [1, 2].map((n) =>
        under.register(
          under.lonely(`race-${n}`, {
            hosts: [{ slug: `race-${n}-a`, access: { kind: 'local', root: '/srv/one' }, patching: {} }],
          }),
        ),
      ),
    );
    expect(concurrent.map((answer) => answer.status).sort()).toEqual([201, 422]);
  });
  it('do not let a credential be shown to a host that it is not bound to', async () => {
    const [a] = under.lonely('thief').nodes;
    const thief = under.lonely('thief', {
      nodes: [{ ...a!, settings: { ...a!.settings, address: '10.6.6.6' } }],
      credentials: { driver: 'bound' },
    });
    const { body } = await under.register(thief).expect(422);
    expect(body).toMatchObject({ code: 'CREDENTIAL_NOT_FOR_HOST', errors: [{ pointer: '/credentials/driver' }] });
  });
});

describe('a single node', () => {
  it('registered as application is classified by what is seen, and told why nothing could be seen', async () => {
    await under.register(under.lonely('single', { declaredHaLayer: 'application' })).expect(201);
    await eventually(
      'it was looked at',
      async () => (await under.as('viewer').get('/v1/clusters/single/topology')).body.lastLook !== null,
    );
    const { body } = await under.as('viewer').get('/v1/clusters/single/topology').expect(200);
    expect(body.lastLook.problem).toEqual(expect.any(String));
    expect(body.classification?.rolling ?? false).toBe(false);
  });
});

describe('changing and retiring', () => {
  it('needs the revision that was read', async () => {
    const changed = under.lonely('from-yaml', { declaredHaLayer: 'none' });
    await under.as('operator').put('/v1/clusters/from-yaml').send(changed).expect(428);
    await under.as('operator').put('/v1/clusters/from-yaml').set('If-Match', '"7"').send(changed).expect(412);
    const { headers } = await under.as('operator').put('/v1/clusters/from-yaml').set('If-Match', '"1"').send(changed).expect(200);
    expect(headers['etag']).toBe('"2"');
    const { body } = await under.as('viewer').get('/v1/clusters/from-yaml').expect(200).expect('etag', '"2"');
    expect(body.definition).toEqual(changed);
    await under.as('operator').put('/v1/clusters/from-yaml').set('If-Match', '"2"').send(under.lonely('other')).expect(422);
  });
  it('retires: no longer listed, its hosts free for another name', async () => {
    await under.as('operator').delete('/v1/clusters/from-yaml').set('If-Match', '"1"').expect(412);
    await under.as('operator').delete('/v1/clusters/from-yaml?reason=moved').set('If-Match', '"2"').expect(204);
    const { body } = await under.as('viewer').get('/v1/clusters?environment=production').expect(200);
    expect(body.items.map((item: { slug: string }) => item.slug)).not.toContain('from-yaml');
    await under
      .as('viewer')
      .get('/v1/clusters?retired=true')
      .expect(200)
      .expect(({ body: page }) => expect(page.items).toMatchObject([{ slug: 'from-yaml', status: 'retired' }]));
    await under.as('operator').delete('/v1/clusters/from-yaml').set('If-Match', '"2"').expect(404);
    await eventually('it is told', () => under.told('cluster-retired', 'from-yaml').length === 1);
    expect(under.told('cluster-retired', 'from-yaml')[0]?.data).toEqual({ cluster: 'from-yaml', reason: 'moved' });
  });
  it('takes roles', async () => {
    await request(under.server.url).get('/v1/clusters').expect(401);
    await under.as('viewer').post('/v1/clusters').set('Idempotency-Key', randomUUID()).send(under.lonely('x')).expect(403);
    await under.as('viewer').get('/v1/clusters/nobody').expect(404);
  });
});

describe('credentials', () => {
  it('are for admins, and show names and host patterns only', async () => {
    await under.as('approver').get('/v1/credentials').expect(403);
    const { body, text } = await under.as('admin').get('/v1/credentials').expect(200);
    expect(body.items).toContainEqual({ name: 'bound', hosts: ['127.0.0.1'] });
    expect(text).not.toMatch(/file:|env:|somebody/);
    await under
      .as('admin')
      .put('/v1/credentials/x')
      .send({ source: 'http://evil', hosts: ['**'] })
      .expect(422);
    await under.as('admin').delete('/v1/credentials/none').expect(404);
  });
});
