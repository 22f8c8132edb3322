import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openHost, type Host } from '@understudy/hosts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ClusterTarget, VerbRequest } from '../platform.js';
import { performAct } from './acts.js';
import { patroni } from './driver.js';
import { observeEtcd } from './etcd.js';
import { askForSwitchover, observeConfig, observeMember, type ApiAccess } from './member-api.js';
import { openSession, withSession } from './session.js';
import { nodeSettings, type NodeSettings } from './settings.js';
import { ask, type Answer } from './transport.js';

/** How the links behave, and nothing of Patroni's mind: what it decides is shown by real members elsewhere. */
type Play = (request: IncomingMessage, body: string, response: ServerResponse) => void;

interface Heard {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  readonly authorization: string | undefined;
}

const MEMBER = JSON.stringify({ state: 'running', role: 'replica', timeline: 1, patroni: { version: '3.0.2', scope: 'demo' } });
const VIEW = JSON.stringify({ members: [{ name: 'a', role: 'leader', state: 'running' }] });

let place: Server;
let origin: string;
let play: Play;
let heard: Heard[];

beforeEach(async () => {
  heard = [];
  place = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const body = Buffer.concat(parts).toString();
      heard.push({ method: request.method ?? '', path: request.url ?? '', body, authorization: request.headers.authorization });
      play(request, body, response);
    });
  });
  await new Promise<void>((resolve) => place.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(place.address() as AddressInfo).port}`;
});

afterEach(async () => {
  place.closeAllConnections();
  await new Promise((resolve) => place.close(resolve));
});

const access: ApiAccess = {
  cluster: { scope: 'demo', database: 'app', etcd: [], isStoreElsewhere: false },
  login: { user: 'op', password: 'hush' },
};
const at = (url = origin): NodeSettings => nodeSettings({ slug: 'a', host: 'h', settings: { api: url } });
const get = (path: string, deadlineMs = 2_000): Promise<Answer> => ask({ method: 'GET', origin, path, deadlineMs });

/** As a member that is well; `else` plays a path of its own first. */
const well =
  (special: Readonly<Record<string, Play>> = {}): Play =>
  (request, body, response) => {
    const own = special[request.url ?? ''];
    if (own !== undefined) return own(request, body, response);
    const bodies: Readonly<Record<string, string>> = { '/patroni': MEMBER, '/cluster': VIEW, '/config': '{"ttl": 20}' };
    response.writeHead(request.url === '/primary' ? 503 : 200).end(bodies[request.url ?? ''] ?? '');
  };

describe('one question', () => {
  it('has one deadline for all of its answer, also for one that trickles', async () => {
    play = (_request, _body, response) => {
      const drip = setInterval(() => response.write('x'), 20);
      response.on('close', () => clearInterval(drip));
    };
    expect(await get('/patroni', 150)).toEqual({ status: 'silent', reason: 'no answer within 150 ms' });
    play = () => undefined;
    expect(await get('/patroni', 100)).toEqual({ status: 'silent', reason: 'no answer within 100 ms' });
  });

  it('says that a connection was refused, or lost in the middle', async () => {
    play = (_request, _body, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('half');
      setTimeout(() => response.destroy(), 20);
    };
    expect(await get('/patroni')).toMatchObject({
      status: 'silent',
      reason: expect.stringMatching(/lost|aborted|hang up|ECONNRESET/),
    });
    const closed = await ask({ method: 'GET', origin: 'http://127.0.0.1:1', path: '/', deadlineMs: 2_000 });
    expect(closed).toMatchObject({ status: 'silent', reason: expect.stringContaining('ECONNREFUSED') });
  });

  it('follows no redirection', async () => {
    play = (_request, _body, response) => response.writeHead(307, { location: `${origin}/elsewhere` }).end();
    expect(await get('/patroni')).toMatchObject({ status: 'answered', code: 307 });
    expect(heard.map(({ path }) => path)).toEqual(['/patroni']);
  });

  it('reads no endless answer', async () => {
    play = (_request, _body, response) => {
      const pour = (): void => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
      };
      response.on('drain', pour);
      pour();
    };
    expect(await get('/patroni', 5_000)).toEqual({ status: 'silent', reason: 'its answer is longer than 1048576 bytes' });
  });

  it('says that an authority is no certificate, and throws nothing', async () => {
    const answer = await ask({
      method: 'GET',
      origin: 'https://127.0.0.1:1',
      path: '/',
      certificateAuthority: 'no PEM',
      deadlineMs: 1_000,
    });
    expect(answer).toMatchObject({ status: 'silent', reason: expect.stringMatching(/\S/) });
  });
});

describe('a member', () => {
  it('is asked side by side, without a login', async () => {
    play = well();
    expect(await observeMember(access, at(), 2_000)).toMatchObject({
      says: 'answers',
      member: { state: 'running', role: 'replica' },
      holdsKey: false,
      view: { members: [{ name: 'a' }] },
      viewReason: '',
    });
    expect(heard.map(({ method, path }) => `${method} ${path}`).sort()).toEqual([
      'GET /cluster',
      'GET /patroni',
      'OPTIONS /primary',
    ]);
    expect(heard.map(({ authorization }) => authorization)).toEqual([undefined, undefined, undefined]);
  });

  it('tells what it can: a late view, and a question about the key that is not answered', async () => {
    play = well({ '/cluster': () => undefined, '/primary': (_r, _b, response) => response.writeHead(500).end() });
    expect(await observeMember(access, at(), 150)).toMatchObject({
      says: 'answers',
      holdsKey: null,
      view: null,
      viewReason: '/cluster: no answer within 150 ms',
    });
    play = well({ '/cluster': (_r, _b, response) => response.writeHead(200).end('<html>') });
    expect(await observeMember(access, at(), 2_000)).toMatchObject({
      view: null,
      viewReason: '/cluster: its answer could not be read',
    });
  });

  it.each<readonly [number, string, string]>([
    [401, '', '/patroni answered 401'],
    [302, '', 'it points elsewhere, which is not followed'],
    [200, '<html>', 'is not Patroni'],
    [200, MEMBER.replace('demo', 'other'), 'it belongs to the cluster "other"'],
  ])('that answers %i "%s" says nothing', async (code, body, reason) => {
    play = well({ '/patroni': (_r, _b, response) => response.writeHead(code).end(body) });
    expect(await observeMember(access, at(), 2_000)).toEqual({ says: 'nothing', reason: expect.stringContaining(reason) });
  });

  it('tells the configuration, the first that does', async () => {
    play = well();
    expect(await observeConfig(access, [at('http://127.0.0.1:1'), at()], 2_000)).toMatchObject({ ttlMs: 20_000 });
    play = well({ '/config': (_r, _b, response) => response.writeHead(502).end() });
    expect(await observeConfig(access, [at()], 2_000)).toBeNull();
  });
});

describe('etcd over its gateway', () => {
  it('is asked where it is named, and where it names its members itself', async () => {
    play = (request, _body, response) => {
      const members = [
        { ID: '1', name: 'e1', clientURLs: [origin] },
        { ID: '2', name: 'e2', clientURLs: ['http://127.0.0.1:1'] },
      ];
      const bodies: Readonly<Record<string, object>> = {
        '/health': { health: 'true' },
        '/v3/maintenance/status': { header: { member_id: '1' } },
        '/v3/cluster/member/list': { members },
      };
      response.writeHead(200).end(JSON.stringify(bodies[request.url ?? '']));
    };
    const node = { ...at(), etcd: origin };
    expect(await observeEtcd(access.cluster, [node], 2_000)).toEqual({
      voters: [
        { name: 'e1', node: 'a', isHealthy: true },
        { name: 'e2', node: null, isHealthy: false },
      ],
      unanswered: [expect.stringContaining('etcd at http://127.0.0.1:1: connect ECONNREFUSED')],
    });
    expect(await observeEtcd(access.cluster, [at()], 2_000)).toBeNull();
  });
});

describe('asking for the switchover', () => {
  let root: string;
  let host: Host;
  const fence = { logId: 'log-1', epoch: 1 };

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'understudy-patroni-'));
    host = openHost({ slug: 'h', access: { kind: 'local', root }, patching: {} });
  });
  afterEach(async () => {
    await host.access.close();
    rmSync(root, { recursive: true, force: true });
  });

  const target = (): ClusterTarget => ({
    definition: {
      slug: 'c',
      platform: 'patroni',
      environment: 'practice',
      workloads: ['app'],
      nodes: ['a', 'b'].map((slug) => ({ slug, host: 'h', settings: { api: origin, unit: 'understudy-no-such.service' } })),
      hosts: [],
      credentials: {},
      settings: { scope: 'demo', database: 'app' },
    },
    hosts: { h: host },
    secrets: { driver: { user: 'u', password: 'p' }, restApi: { user: 'op', password: 'hush' } },
    now: () => Date.now(),
  });
  const request = { key: 'rollout-1/step-1', fence } as VerbRequest;
  const perform = (key: string, deadlineMs = 5_000, as = request): ReturnType<typeof performAct> =>
    withSession(target(), (session) =>
      performAct({ act: 'switchover', host: 'h', node: 'a', candidate: 'b' }, { session, request: as, key, deadlineMs }),
    );
  const entry = async (key: string): Promise<unknown> => {
    const read = await host.journal.entries(key, 5_000);
    return read.status === 'read' ? read.entries.map(({ key: name, ended }) => [name, ended?.code]) : read;
  };

  it('sends leader and candidate to the leader once, with the login, and enters it before and after', async () => {
    const key = 'rollout-1/step-1/switchover/1';
    let before: unknown;
    play = (_request, _body, response) => {
      void entry(key).then((entered) => {
        before = entered;
        response.writeHead(200).end('Successfully switched over to "b"');
      });
    };
    expect(await perform(key)).toEqual({ status: 'ended', detail: 'Patroni answered: 200 Successfully switched over to "b"' });
    expect(before).toEqual([[key, undefined]]);
    expect(await entry(key)).toEqual([[key, 0]]);
    expect(await perform(key), 'the same key again').toMatchObject({ status: 'ended', detail: 'was performed before (0)' });
    expect(heard).toEqual([
      { method: 'POST', path: '/switchover', body: '{"leader":"a","candidate":"b"}', authorization: 'Basic b3A6aHVzaA==' },
    ]);
  });

  it('says no when Patroni does, and keeps that', async () => {
    const key = 'rollout-1/step-1/switchover/1';
    play = (_request, _body, response) => response.writeHead(412).end('leader name does not match');
    expect(await perform(key)).toEqual({ status: 'refused', detail: 'Patroni answered: 412 leader name does not match' });
    expect(await entry(key)).toEqual([[key, 1]]);
  });

  it('leaves an act open that was not answered in time, and never sends it again', async () => {
    const key = 'rollout-1/step-1/switchover/1';
    play = () => undefined;
    expect(await perform(key, 1_000)).toMatchObject({ status: 'unknown', detail: expect.stringContaining('no answer within') });
    expect(await entry(key)).toEqual([[key, undefined]]);
    expect(await perform(key, 1_000)).toMatchObject({ status: 'unknown' });
    expect(heard).toHaveLength(1);
  });

  it('sends nothing for an orchestrator that a newer one has fenced off', async () => {
    await host.journal.raise({ logId: 'log-1', epoch: 2 }, 5_000);
    expect(await perform('rollout-1/step-1/switchover/1')).toEqual({ status: 'fenced', seen: { logId: 'log-1', epoch: 2 } });
    expect(heard).toEqual([]);
  });

  it('tells what to do when a login is missing', async () => {
    play = (_request, _body, response) => response.writeHead(401).end('no auth header received');
    expect(await askForSwitchover({ cluster: access.cluster }, at(), at(), 2_000)).toMatchObject({
      outcome: 'refused',
      said: expect.stringContaining('Define a credential for "restApi"'),
    });
    expect(heard[0]?.authorization).toBeUndefined();
  });

  it('passes what the host says on when the helper is not there, or does not know the unit', async () => {
    const act = { act: 'hold', host: 'h', node: 'a' } as const;
    const key = 'rollout-1/step-1/hold/1';
    const outcome = await withSession(target(), (session) => performAct(act, { session, request, key, deadlineMs: 5_000 }));
    expect(outcome).toMatchObject({ status: 'refused', detail: expect.stringMatching(/^ended with [1-9]/) });
  });

  it('answers an incomplete picture, and throws nothing, where no member, server or unit is there', async () => {
    play = (_request, _body, response) => response.writeHead(500).end();
    const seen = await patroni.observe(target(), 2_000);
    expect(seen).toMatchObject({ complete: false, nodes: [{ node: 'a', writable: null }, { node: 'b' }] });
    expect(seen.disagreements.join()).toContain('/patroni answered 500');
  });

  it('opens no session with a member named twice, or without a login', () => {
    const named = target().definition.nodes.map((node) => ({ ...node, settings: { ...node.settings, member: 'pg' } }));
    expect(() => openSession({ ...target(), definition: { ...target().definition, nodes: named } })).toThrow(
      'Patroni\'s member "pg"',
    );
    expect(() => openSession({ ...target(), secrets: {} })).toThrow('needs a credential for "driver"');
    expect(() => openSession({ ...target(), hosts: {} })).toThrow('which is not defined');
  });
});
