/** What the broker, the other members of a group and the messages themselves may do to a consumer and a relay. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Store } from '@understudy/event-log';
import { type Broker, createTestStore, needsBroker, ownBroker } from '@understudy/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { note, publish, until } from '../contract.js';
import { KafkaTransport, type TopicPlan, applyTopics, readTopics } from '../index.js';
import { type Recorder, freshTopic, recorder } from './fixtures/contract.js';

// Brokers come and go here, on a busy machine.
vi.setConfig({ testTimeout: 180_000 });

const SESSION_MS = 6_000;
const START_LIMIT_MS = 7_000;
const STOP_LIMIT_MS = 5_000;
const RECOVERY_LIMIT_MS = 60_000;

let broker: Broker;
let plan: TopicPlan;
let from: Store;
let to: Store;
const running: KafkaTransport[] = [];

beforeEach(async (context) => {
  await needsBroker(context, async () => (broker ??= await ownBroker()));
  if (broker.pid === undefined) await broker.restart();
  plan = freshTopic();
  await applyTopics(broker.client('topics'), [plan]);
  from = (await createTestStore('inventory')).store;
  to = (await createTestStore('drift')).store;
});

afterEach(async () => {
  broker?.thaw();
  for (const transport of running.splice(0)) await transport.stop();
});

interface Roles {
  readonly produces?: boolean;
  readonly hears?: Recorder;
}

async function started({ produces, hears }: Roles): Promise<KafkaTransport> {
  const transport = new KafkaTransport({ ...broker.client('spec'), checkTopics: false, sessionTimeoutMs: SESSION_MS });
  if (produces === true) transport.produce({ service: 'inventory', topic: plan.name, publish, store: from });
  const subscription = { group: 'drift', topic: plan.name };
  if (hears !== undefined) transport.consume({ store: to, subscription: { ...subscription, handlers: hears.handlers } });
  const began = performance.now();
  await transport.start();
  expect(performance.now() - began).toBeLessThan(START_LIMIT_MS);
  running.push(transport);
  return transport;
}

const idle = async (transport: KafkaTransport): Promise<boolean> =>
  (await transport.lag()).every(({ events, problem }) => events === 0 && problem === undefined);

describe('the broker', () => {
  it('is away at the start: the start returns, appends are taken, the lag says why; all arrives when it comes', async () => {
    await broker.shutDown();
    const hears = recorder();
    const transport = await started({ produces: true, hears });
    await note(from, 'a', ['a1', 'a2']);
    await until(async () => (await transport.lag()).every(({ problem }) => problem !== undefined));
    expect((await transport.lag()).find(({ group }) => group === 'relay/kafka')).toMatchObject({ events: 2 });
    await broker.restart();
    await until(() => idle(transport), RECOVERY_LIMIT_MS);
    expect(hears.textsOf('a')).toEqual(['a1', 'a2']);
  });

  it('is away at the start and comes without the topics: the lag says how they differ, until they are made', async () => {
    await broker.shutDown();
    const transport = new KafkaTransport({ ...broker.client('spec'), sessionTimeoutMs: SESSION_MS });
    const { handlers } = recorder();
    const topic = 'understudy.notification.v1';
    transport.produce({ service: 'inventory', topic: 'understudy.inventory.v1', publish, store: from });
    transport.consume({ store: to, subscription: { group: 'drift', topic, handlers } });
    await transport.start();
    running.push(transport);
    await broker.restart();
    const differing = async (): Promise<readonly string[]> =>
      (await transport.lag()).filter(({ problem }) => problem?.includes('does not exist')).map((lag) => lag.topic);
    await until(async () => (await differing()).length === 2, RECOVERY_LIMIT_MS);
    expect(await differing()).toEqual([topic, 'understudy.inventory.v1']);
    await applyTopics(broker.client('topics'), readTopics());
    await until(() => idle(transport), RECOVERY_LIMIT_MS);
  });

  it('is killed under load and comes back: nothing is missing, every key keeps its order', async () => {
    const hears = recorder();
    const transport = await started({ produces: true, hears });
    const keys = ['a', 'b', 'c', 'd'];
    const texts = Array.from({ length: 40 }, (_, index) => String(index));
    for (const text of texts) {
      if (text === '10') await broker.kill();
      if (text === '30') {
        // Long enough for a batch to have failed.
        await until(async () => (await transport.lag()).every(({ problem }) => problem !== undefined), RECOVERY_LIMIT_MS);
        await broker.restart();
      }
      for (const key of keys) await note(from, key, [text]);
    }
    await until(() => idle(transport), RECOVERY_LIMIT_MS);
    for (const key of keys) expect([...new Set(hears.textsOf(key))]).toEqual(texts);
  });

  it('freezes for longer than a session: a stop still ends within 5 s, and whoever stayed goes on', async () => {
    const hears = recorder();
    const stays = await started({ produces: true, hears });
    const leaves = await started({ hears: recorder() });
    await until(() => idle(leaves));
    broker.freeze();
    const frozen = performance.now();
    await note(from, 'a', ['a1']);
    await until(async () => (await stays.lag()).some(({ problem }) => problem !== undefined));
    const began = performance.now();
    await leaves.stop();
    expect(performance.now() - began).toBeLessThan(STOP_LIMIT_MS);
    await delay(Math.max(0, SESSION_MS + 2_000 - (performance.now() - frozen)));
    broker.thaw();
    await until(() => idle(stays), RECOVERY_LIMIT_MS);
    expect(hears.textsOf('a')).toContain('a1');
  });
});

describe('the members of a group', () => {
  it('share the partitions as one joins, and take over as it leaves; each message is taken by one', async () => {
    const [first, second] = [recorder(), recorder()];
    const keys = Array.from({ length: 24 }, (_, index) => `key-${index}`);
    const a = await started({ produces: true, hears: first });
    for (const key of keys) await note(from, key, ['1']);
    await until(() => idle(a));
    expect(first.heard).toHaveLength(keys.length);
    const b = await started({ hears: second });
    await until(() => idle(b));
    for (const key of keys) await note(from, key, ['2']);
    await until(() => idle(a));
    expect(first.heard.length).toBeGreaterThan(keys.length);
    expect(second.heard.length).toBeGreaterThan(0);
    expect(first.heard.length + second.heard.length).toBe(2 * keys.length);
    await b.stop();
    for (const key of keys) await note(from, key, ['3']);
    await until(() => idle(a), RECOVERY_LIMIT_MS);
    for (const key of keys) {
      const { length } = second.textsOf(key);
      expect([...first.textsOf(key), ...second.textsOf(key)].sort()).toEqual(['1', '2', '3']);
      expect(first.textsOf(key)).toEqual(length === 0 ? ['1', '2', '3'] : ['1', '3']);
    }
  });

  it('keep their partitions while a handler takes longer than the session: heartbeats go on', async () => {
    let begun = 0;
    const slow = (): Recorder =>
      recorder(async ({ text }) => {
        if (text !== 'slow') return;
        begun += 1;
        await delay(SESSION_MS + 2_000);
      });
    const [first, second] = [slow(), slow()];
    const a = await started({ produces: true, hears: first });
    const b = await started({ hears: second });
    await until(async () => (await idle(a)) && (await idle(b)));
    await note(from, 'a', ['slow', 'a2']);
    await until(() => first.heard.length + second.heard.length === 2, RECOVERY_LIMIT_MS);
    await until(() => idle(a));
    // One of them, and once: whoever had lost its partition would have left it to the other before the handler returned.
    expect(begun).toBe(1);
    const heard = [first.textsOf('a'), second.textsOf('a')].sort((one, other) => one.length - other.length);
    expect(heard).toEqual([[], ['slow', 'a2']]);
  });
});

describe('a poison message', () => {
  it('blocks its key for less than 60 s and no other partition at all, not even for what comes later', async () => {
    const hears = recorder(({ text }) => (text === 'poison' ? Promise.reject(new Error('never')) : Promise.resolve()));
    const transport = await started({ produces: true, hears });
    await note(from, 'warm-up', ['w']);
    await until(() => hears.heard.length === 1);
    await note(from, 'a', ['poison', 'a2']);
    const poisoned = performance.now();
    const keys = Array.from({ length: 12 }, (_, index) => `key-${index}`);
    for (const text of ['1', '2', '3']) {
      for (const key of keys) await note(from, key, [text]);
      await delay(100);
    }
    const arrived = (): number => hears.heard.filter(({ partitionkey }) => partitionkey.startsWith('key-')).length;
    await until(() => hears.textsOf('a').includes('a2'), RECOVERY_LIMIT_MS);
    expect(performance.now() - poisoned).toBeLessThan(RECOVERY_LIMIT_MS);
    // Two of three partitions never waited.
    const before = hears.heard.slice(
      0,
      hears.heard.findIndex(({ id }) => id === 'note/a/2'),
    );
    expect(before.filter(({ partitionkey }) => partitionkey.startsWith('key-')).length).toBeGreaterThan(keys.length);
    await until(() => arrived() === 3 * keys.length);
    expect(await transport.deadLetters('drift')).toHaveLength(1);
  });
});
