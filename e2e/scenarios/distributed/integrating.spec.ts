/** Every example in docs/integrating.md, as it stands there, against the four services and a real Kafka. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { testPair } from '@understudy/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { ownSystem, waitUntil } from '../../support/distributed/index.js';
import { REPOSITORY } from '../../support/product.js';

/** A receiver that is not there yet is tried again at once. */
const WEBHOOKS = {
  WEBHOOK_ALLOW: '127.0.0.1',
  WEBHOOK_ALLOW_HTTP: 'true',
  WEBHOOK_RETRY_SCHEDULE: Array<number>(30).fill(2).join(','),
};
/** A real pair, so that a rollout can be planned; nothing is done to it. */
const CLUSTER = 'orders';
const RUN_LIMIT_MS = 60_000;
const HEARD_WITHIN_MS = 60_000;
const run = promisify(execFile);

const DOCUMENT = readFileSync(join(REPOSITORY, 'docs/integrating.md'), 'utf8');
const EXAMPLES = new Map(
  [...DOCUMENT.matchAll(/^```(?:sh|js) file=(\S+)\n([\s\S]*?)^```$/gm)].map(([, name, text]) => [name ?? '', text ?? '']),
);

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

describe('docs/integrating.md', () => {
  const system = ownSystem({ settings: { notification: WEBHOOKS } });
  const running: ChildProcess[] = [];
  const tried = new Set<string>();
  let folder: string | undefined;
  let rollout = '';
  let window = '';
  const key = randomUUID();
  const opensAt = new Date(Date.now() + 3_600_000).toISOString().replace(/\.\d+Z$/, 'Z');

  afterAll(() => {
    running.forEach((child) => child.kill('SIGKILL'));
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  /** The environment that the page promises. */
  function environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
    const { services, tokenFile, broker } = system().stage;
    const { tls, sasl } = broker.client('reader');
    return {
      PATH: process.env['PATH'] ?? '',
      INVENTORY: services.inventory.rest,
      ORCHESTRATOR: services.orchestrator.rest,
      NOTIFICATION: services.notification.rest,
      INVENTORY_GRPC: services.inventory.grpc,
      ORCHESTRATOR_GRPC: services.orchestrator.grpc,
      TOKEN_FILE: tokenFile,
      KAFKA_BROKERS: broker.address,
      KAFKA_CA_FILE: tls?.caFile ?? '',
      KAFKA_USER: sasl?.username ?? '',
      KAFKA_PASSWORD: sasl?.password ?? '',
      KEY: key,
      CLUSTER,
      OPENS_AT: opensAt,
      ...more,
    };
  }

  /** Writes an example where it finds the repository's packages, and answers how to start it. */
  function example(name: string): readonly [string, readonly string[]] {
    const text = EXAMPLES.get(name);
    if (text === undefined) throw new Error(`docs/integrating.md has no example ${name}`);
    tried.add(name);
    // Below the repository: there the examples find its packages.
    mkdirSync(join(REPOSITORY, '.cache'), { recursive: true });
    folder ??= mkdtempSync(join(REPOSITORY, '.cache', 'integrating-'));
    const file = join(folder, name);
    writeFileSync(file, text);
    return name.endsWith('.sh') ? ['sh', [file]] : [process.execPath, [file]];
  }

  async function answerOf(name: string, more?: Readonly<Record<string, string>>): Promise<string> {
    const [program, args] = example(name);
    const { stdout } = await run(program, args, { cwd: REPOSITORY, env: environment(more), timeout: RUN_LIMIT_MS });
    return stdout;
  }

  function begin(
    name: string,
    more?: Readonly<Record<string, string>>,
  ): { readonly child: ChildProcess; lines(): readonly string[] } {
    const [program, args] = example(name);
    const child = spawn(program, args, { cwd: REPOSITORY, env: environment(more), stdio: ['ignore', 'pipe', 'inherit'] });
    running.push(child);
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    return { child, lines: () => text.split('\n').filter((line) => line !== '') };
  }

  /** Subscribes to what happens to the cluster; answers the secret that is shown once. */
  async function secretFor(port: number): Promise<string> {
    const filter = { types: [], clusters: [CLUSTER], leastSeverity: 'info' };
    const wanted = { description: '', channel: 'webhook', url: `http://127.0.0.1:${port}/hook`, filter, enabled: true };
    return (await system().rest.post<{ readonly secret: string }>('/v1/subscriptions', wanted)).secret;
  }

  it('REST: a cluster is registered, once for its key', async () => {
    const first = JSON.parse(await answerOf('register.sh')) as { readonly slug: string; readonly revision: number };
    expect(first).toMatchObject({ slug: 'ledger', revision: 1, status: 'registered' });
    expect(JSON.parse(await answerOf('register.sh'))).toEqual(first);
  });

  async function registerPair(): Promise<void> {
    const { rest, undo } = system();
    const { cluster, remove } = await testPair({ withNewer: true, slug: CLUSTER });
    undo.defer('pair', remove);
    for (const [name, { user, password }] of Object.entries(cluster.credentials)) {
      const file = join(cluster.folder, `${name}.password`);
      writeFileSync(file, password, { mode: 0o600 });
      await rest.put(`/v1/credentials/${name}`, { user, source: `file:${file}`, hosts: ['127.0.0.1'] });
    }
    await rest.post('/v1/clusters', cluster.definition);
  }

  it('gRPC: a window is scheduled, once for its key', async () => {
    await registerPair();
    const scheduled = JSON.parse(await answerOf('schedule.mjs')) as { readonly window: string; readonly rollout: string };
    ({ rollout, window } = scheduled);
    expect(await system().rest.get(`/v1/windows/${window}`)).toMatchObject({ status: 'scheduled', clusters: [CLUSTER] });
    expect(JSON.parse(await answerOf('schedule.mjs'))).toMatchObject({ window, rollout });
  });

  it('gRPC, Kafka, webhooks: what happens is watched, heard and received', async () => {
    const listener = begin('listen.mjs');
    const watcher = begin('watch.mjs', { ROLLOUT: rollout });
    const port = await freePort();
    const receiver = begin('receive.mjs', { SECRET: await secretFor(port), PORT: String(port) });
    await waitUntil('the receiver to listen', HEARD_WITHIN_MS, () => receiver.lines().includes(`listening ${port}`));
    const forged = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: '{"type":"forged"}' });
    expect(forged.status).toBe(401);
    await waitUntil('the past of the rollout', HEARD_WITHIN_MS, () =>
      watcher.lines().some((line) => line.endsWith(' RolloutPlanned')),
    );
    await system().rest.post(`/v1/windows/${window}/cancel`, { reason: 'the example is over' });
    await waitUntil('the end of the rollout', HEARD_WITHIN_MS, () =>
      watcher.lines().some((line) => line.endsWith(' RolloutClosed')),
    );
    await waitUntil('the watcher to end by itself', HEARD_WITHIN_MS, () => watcher.child.exitCode === 0);
    const positions = watcher.lines().map((line) => Number(line.split(' ')[0]));
    expect(positions).toEqual([...new Set(positions)].sort((a, b) => a - b));
    const heard = (name: string): boolean => listener.lines().some((line) => line.startsWith(`understudy.${name}.v1 `));
    await waitUntil(
      'the events on Kafka',
      HEARD_WITHIN_MS,
      () => heard('inventory.cluster-registered') && heard('orchestrator.rollout-closed'),
    );
    await waitUntil('the webhook', HEARD_WITHIN_MS, () =>
      receiver.lines().some((line) => line.endsWith(' understudy.orchestrator.rollout-closed.v1')),
    );
    for (const { child } of [listener, receiver]) child.kill('SIGTERM');
  });

  it('has no other example', () => {
    expect([...EXAMPLES.keys()].sort()).toEqual([...tried].sort());
  });
});
