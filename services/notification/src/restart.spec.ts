/** A delivery is not lost by a restart: the process is killed with SIGKILL while a receiver hangs, and another finds the row. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openStore } from '@understudy/event-log';
import type { Store } from '@understudy/event-log';
import { WebhookReceiver, createTestDatabase, arrived, publishAs } from '@understudy/testing';
import type { ReceiverAnswer } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** The compiled service in a process of its own, as `main` would compose it. It prints its address. */
const PROGRAM = `
  import { openStore } from '@understudy/event-log';
  import { InProcessTransport } from '@understudy/messaging';
  import { bootHttp, createRuntime } from '@understudy/runtime';
  import { NotificationModule, defaultWebhooks } from '@understudy/notification';
  const { FOLDER, STORES } = process.env;
  const urls = JSON.parse(STORES);
  const runtime = createRuntime({ service: 'spec', logLevel: 'silent', tokensFile: FOLDER + '/tokens.json', credentialsFile: FOLDER + '/credentials.json' });
  await runtime.tokens.ensureFirstAdmin(FOLDER + '/token');
  const stores = {};
  for (const schema of Object.keys(urls)) stores[schema] = await openStore({ connectionString: urls[schema], schema, instance: 'spec' });
  const transport = new InProcessTransport();
  for (const service of ['inventory', 'drift', 'orchestrator']) {
    const publish = ({ type, body }) => ({ type: 'understudy.' + service + '.' + type + '.v1', key: body.key, subject: body.key, data: body.data });
    transport.produce({ service, topic: 'understudy.' + service + '.v1', publish, store: stores[service] });
  }
  const webhooks = { ...defaultWebhooks, allow: ['127.0.0.1'], allowHttp: true, timeoutMs: 5000, retryScheduleMs: new Array(50).fill(200) };
  const module = NotificationModule.forRoot({ runtime, store: stores.notification, webhooks }, transport);
  const server = await bootHttp([module], runtime, { host: '127.0.0.1', port: 0 }, [transport]);
  console.log(server.url);
`;

let folder: string;
let urls: Record<string, string>;
let orchestrator: Store;
const children: ChildProcess[] = [];
const receivers: WebhookReceiver[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'understudy-restart-'));
  const services = ['inventory', 'drift', 'orchestrator', 'notification'] as const;
  const database = await createTestDatabase(services);
  urls = Object.fromEntries(services.map((service) => [service, database.serviceConnection(service)]));
  orchestrator = await openStore({ connectionString: urls['orchestrator'] ?? '', schema: 'orchestrator' });
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  for (const receiver of receivers) receiver.stop();
  await orchestrator.close();
  rmSync(folder, { recursive: true, force: true });
});

async function boot(): Promise<{ url: string; kill: () => Promise<void> }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    env: { ...process.env, NODE_OPTIONS: '', FOLDER: folder, STORES: JSON.stringify(urls) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const url = await arrived(() => /http:\S+/.exec(said)?.[0], 60_000);
  const kill = async (): Promise<void> => {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  };
  return { url, kill };
}

async function receiver(answers: ReceiverAnswer[], port = 0): Promise<WebhookReceiver> {
  const started = await WebhookReceiver.start(answers, port);
  receivers.push(started);
  return started;
}

async function subscribe(url: string, target: string, cluster: string): Promise<void> {
  const response = await fetch(`${url}/v1/subscriptions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${readFileSync(join(folder, 'token'), 'utf8').trim()}`,
      'idempotency-key': crypto.randomUUID(),
      'content-type': 'application/json',
    },
    body: JSON.stringify({
      description: '',
      channel: 'webhook',
      url: target,
      enabled: true,
      filter: { types: [], clusters: [cluster], leastSeverity: 'info' },
    }),
  });
  expect(response.status).toBe(201);
}

const closed = (cluster: string) =>
  publishAs(orchestrator, 'rollout-closed', cluster, { rolloutId: 'r', cluster, result: 'failed', reason: 'x' });

describe('a restart', () => {
  it('loses no delivery: killed with SIGKILL in the middle of an attempt, it is made again with the same id', async () => {
    const hanging = await receiver([{ status: 0 }, { status: 200 }]);
    const first = await boot();
    await subscribe(first.url, hanging.url, 'killed');
    await closed('killed');
    await arrived(() => hanging.heard[0]);
    await first.kill();
    await closed('killed');
    const second = await boot();
    await arrived(() => (hanging.heard.length >= 3 ? true : undefined));
    await second.kill();
    // Which of the two comes first is nobody's promise.
    const interrupted = hanging.heard[0]?.id;
    const again = hanging.heard.slice(1).map(({ id }) => id);
    expect(again).toContain(interrupted);
    expect(again.filter((id) => id !== interrupted)).toHaveLength(1);
    expect(new Set(hanging.heard.map(({ event }) => event.id)).size).toBe(2);
  });

  it('a receiver that was away for a while gets everything, once per id', async () => {
    const away = await receiver([{ status: 200 }]);
    const { url, kill } = await boot();
    await subscribe(url, away.url, 'away');
    away.stop();
    for (let round = 0; round < 5; round += 1) await closed('away');
    const failed = new URL(away.url);
    await arrived(async () => {
      const token = readFileSync(join(folder, 'token'), 'utf8').trim();
      const list = await fetch(`${url}/v1/deliveries?status=pending`, { headers: { authorization: `Bearer ${token}` } });
      const { items } = (await list.json()) as { items: { attempts: number }[] };
      return items.length === 5 && items.every(({ attempts }) => attempts >= 2) ? true : undefined;
    });
    const back = await receiver([{ status: 200 }], Number(failed.port));
    await arrived(() => (new Set(back.heard.map(({ id }) => id)).size === 5 ? true : undefined));
    await kill();
    expect(back.heard.map(({ event }) => event.id).sort()).toEqual([...new Set(back.heard.map(({ event }) => event.id))].sort());
  });
});
