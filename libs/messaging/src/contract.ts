/** What every transport promises. Run with real stores: `transportContract('in process', harness)`. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Store, StoredEvent } from '@understudy/event-log';
import { StoreUnavailable } from '@understudy/event-log';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CloudEvent, HandlerTable, Publication, Transport } from './api.js';
import { MessagingError } from './errors.js';

export interface TransportHarness {
  /** A new instance that finds what an earlier one left (cursors, dead letters, messages on their way). */
  readonly transport: () => Transport;
  /** Two services with fresh logs. */
  readonly producer: () => Promise<Store>;
  readonly consumer: () => Promise<Store>;
  /** Makes a topic of this name, where topics must be made. */
  readonly topic?: (name: string) => Promise<void>;
  /** The cursor that feeds this group: a duty in the producer's schema. */
  readonly relay: (group: string) => string;
}

let topic = 'understudy.inventory.v1';
export const TYPE = 'understudy.inventory.noted.v1';
const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const BLOCK_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 5_000;
/** More than a transport holds for one handler. */
const MANY = 2_500;

export interface Note {
  readonly key: string;
  readonly text: string;
}

export function publish(event: StoredEvent): Publication | undefined {
  const body = event.body as Note;
  if (event.type === 'Kept') return undefined;
  return { type: event.type === 'Noted' ? TYPE : 'understudy.inventory.other.v1', key: body.key, subject: body.key, data: body };
}

export async function until(condition: () => boolean | Promise<boolean>, limitMs = 20_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not reached within ${limitMs} ms: ${condition.toString()}`);
    await delay(15);
  }
}

let commands = 0;
let topics = 0;

/** Appends texts to a key's stream, in one append. */
export async function note(store: Store, key: string, texts: readonly string[], type = 'Noted'): Promise<void> {
  const stream = `note/${key}`;
  const version = (await store.log.readStream(stream)).length;
  commands += 1;
  const result = await store.log.append({
    streams: [
      { stream, expectedVersion: version, events: texts.map((text) => ({ type, schemaVersion: 1, body: { key, text } })) },
    ],
    metadata: {
      commandId: `command-${commands}`,
      traceparent: TRACE,
      actor: { subject: 'spec', role: 'admin', authentication: 'internal', from: 'spec' },
    },
  });
  expect(result.appended).toBe(true);
}

export function transportContract(name: string, harness: TransportHarness): void {
  const running: Transport[] = [];

  async function started(producer: Store, consumers: readonly (readonly [string, Store, HandlerTable])[]): Promise<Transport> {
    const transport = harness.transport();
    transport.produce({ service: 'inventory', topic, publish, store: producer });
    for (const [group, store, handlers] of consumers) transport.consume({ store, subscription: { group, topic, handlers } });
    await transport.start();
    running.push(transport);
    return transport;
  }
  const textsOf = (events: readonly CloudEvent[]): readonly string[] => events.map(({ data }) => (data as Note).text);

  describe(`transport ${name}`, () => {
    beforeEach(async () => {
      topics += 1;
      topic = `understudy.contract.v${topics}`;
      await harness.topic?.(topic);
    });

    afterEach(async () => {
      for (const transport of running.splice(0)) await transport.stop();
    });

    it('brings every published event once, in order per key, in a CloudEvents envelope that tells its place in the log', async () => {
      const [from, to] = [await harness.producer(), await harness.consumer()];
      await note(from, 'a', ['a1', 'a2']);
      const heard: CloudEvent[] = [];
      const transport = await started(from, [['drift', to, { [TYPE]: (event) => Promise.resolve(void heard.push(event)) }]]);
      await note(from, 'b', ['b1', 'b2']);
      await note(from, 'a', ['a3'], 'Kept');
      await note(from, 'a', ['a4'], 'Other');
      await note(from, 'a', ['a5']);
      await until(async () => (await transport.lag()).every(({ events }) => events === 0) && heard.length === 5);
      expect(textsOf(heard.filter(({ partitionkey }) => partitionkey === 'a'))).toEqual(['a1', 'a2', 'a5']);
      expect(textsOf(heard.filter(({ partitionkey }) => partitionkey === 'b'))).toEqual(['b1', 'b2']);
      expect(heard.find(({ id }) => id === 'note/a/1')).toEqual({
        specversion: '1.0',
        id: 'note/a/1',
        source: `/understudy/inventory/${from.log.logId}`,
        type: TYPE,
        subject: 'a',
        time: (await from.log.readStream('note/a'))[0]?.time,
        datacontenttype: 'application/json',
        partitionkey: 'a',
        sequence: '00000000000000000001',
        traceparent: TRACE,
        data: { key: 'a', text: 'a1' },
      });
    });

    it('gives every group all of it', async () => {
      const [from, to] = [await harness.producer(), await harness.consumer()];
      const heard = { drift: [] as CloudEvent[], notification: [] as CloudEvent[] };
      await started(from, [
        ['drift', to, { [TYPE]: (event) => Promise.resolve(void heard.drift.push(event)) }],
        ['notification', to, { [TYPE]: (event) => Promise.resolve(void heard.notification.push(event)) }],
      ]);
      await note(from, 'a', ['1', '2', '3']);
      await until(() => heard.drift.length === 3 && heard.notification.length === 3);
      expect(textsOf(heard.drift)).toEqual(textsOf(heard.notification));
    });

    it('tries a failing handler again in place, keeps the order of the key, and lets other keys pass meanwhile', async () => {
      const [from, to] = [await harness.producer(), await harness.consumer()];
      const heard: string[] = [];
      let failures = 2;
      const handler = ({ data }: CloudEvent): Promise<void> => {
        const { text } = data as Note;
        if (text === 'a1' && failures > 0) {
          failures -= 1;
          return Promise.reject(new Error('not now'));
        }
        return Promise.resolve(void heard.push(text));
      };
      await note(from, 'a', ['a1', 'a2']);
      await note(from, 'b', ['b1']);
      const transport = await started(from, [['drift', to, { [TYPE]: handler }]]);
      await until(() => heard.length === 3);
      expect(heard).toEqual(['b1', 'a1', 'a2']);
      expect(await transport.deadLetters('drift')).toEqual([]);
    });

    it('parks a poison message with its reason, goes on with its key within 60 s, and brings it again on request', async () => {
      const [from, to] = [await harness.producer(), await harness.consumer()];
      const heard: string[] = [];
      let poisoned = true;
      const handler = ({ data }: CloudEvent): Promise<void> => {
        const { text } = data as Note;
        if (text === 'thrown') throw new Error('not even a promise');
        return text === 'poison' && poisoned
          ? Promise.reject(new Error('cannot be read'))
          : Promise.resolve(void heard.push(text));
      };
      const transport = await started(from, [['drift', to, { [TYPE]: handler }]]);
      await note(from, 'a', ['poison', 'a2']);
      await note(from, 'b', ['b1']);
      await note(from, 'c', ['thrown', 'c2']);
      await until(() => ['a2', 'b1', 'c2'].every((text) => heard.includes(text)), BLOCK_LIMIT_MS);
      const letters = await transport.deadLetters('drift');
      expect(letters.map(({ reason }) => reason).sort()).toEqual(['Error: cannot be read', 'Error: not even a promise']);
      const letter = letters.find(({ message }) => message.id === 'note/a/1');
      expect(letter).toMatchObject({
        group: 'drift',
        reason: 'Error: cannot be read',
        attempts: 4,
        message: { id: 'note/a/1', data: { text: 'poison' } },
      });
      const { source, id } = letter?.message ?? { source: '', id: '' };
      await expect(transport.redeliver('drift', source, id)).rejects.toThrow('cannot be read');
      const left = async (): Promise<readonly (readonly [string, number])[]> =>
        (await transport.deadLetters('drift')).map(({ message, attempts }) => [message.id, attempts] as const);
      expect(await left()).toContainEqual(['note/a/1', 5]);
      poisoned = false;
      await transport.redeliver('drift', source, id);
      expect(heard).toContain('poison');
      expect(await left()).toEqual([['note/c/1', 4]]);
      await expect(transport.redeliver('drift', source, id)).rejects.toThrow(MessagingError);
    });

    it('does not park messages because a store is away; they come when it is back', async () => {
      const [from, to] = [await harness.producer(), await harness.consumer()];
      const heard: string[] = [];
      let attempts = 0;
      const handler = ({ data }: CloudEvent): Promise<void> => {
        attempts += 1;
        if (attempts <= 6) return Promise.reject(new StoreUnavailable('STORE_UNAVAILABLE', 'away'));
        return Promise.resolve(void heard.push((data as Note).text));
      };
      const transport = await started(from, [['drift', to, { [TYPE]: handler }]]);
      await note(from, 'a', ['a1', 'a2']);
      await until(() => heard.length >= 2, 30_000);
      expect(heard).toEqual(['a1', 'a2']);
      expect(await transport.deadLetters('drift')).toEqual([]);
    });

    it('stops within 5 s, and what was in flight comes again with the same id and source', async () => {
      const [from, to] = [await harness.producer(), await harness.consumer()];
      const first: CloudEvent[] = [];
      const transport = await started(from, [
        ['drift', to, { [TYPE]: (event) => new Promise<void>(() => void first.push(event)) }],
      ]);
      await note(from, 'a', ['a1', 'a2']);
      await until(() => first.length === 1);
      const began = performance.now();
      await transport.stop();
      expect(performance.now() - began).toBeLessThan(STOP_LIMIT_MS);
      const second: CloudEvent[] = [];
      await started(from, [['drift', to, { [TYPE]: (event) => Promise.resolve(void second.push(event)) }]]);
      await until(() => second.length === 2);
      expect(second[0]).toEqual(first[0]);
      expect(textsOf(second)).toEqual(['a1', 'a2']);
    });

    it('goes on after a restart where it was', async () => {
      const [from, to] = [await harness.producer(), await harness.consumer()];
      const heard: string[] = [];
      const handlers = { [TYPE]: ({ data }: CloudEvent) => Promise.resolve(void heard.push((data as Note).text)) };
      const transport = await started(from, [['drift', to, handlers]]);
      await note(from, 'a', ['a1', 'a2']);
      await until(async () => heard.length === 2 && (await transport.lag())[0]?.events === 0);
      await transport.stop();
      await note(from, 'a', ['a3']);
      await started(from, [['drift', to, handlers]]);
      await until(() => heard.includes('a3'));
      expect(heard).toEqual(['a1', 'a2', 'a3']);
    });

    it('brings everything again when the relay goes back; who keeps source and id changes nothing twice', async () => {
      const [from, to] = [await harness.producer(), await harness.consumer()];
      const heard: CloudEvent[] = [];
      const done = new Map<string, string>();
      const handlers: HandlerTable = {
        [TYPE]: (event) => {
          heard.push(event);
          const command = `${event.source} ${event.id}`;
          if (!done.has(command)) done.set(command, (event.data as Note).text);
          return Promise.resolve();
        },
      };
      const transport = await started(from, [['drift', to, handlers]]);
      await note(from, 'a', ['a1', 'a2', 'a3']);
      await until(async () => heard.length === 3 && (await transport.lag()).every(({ events }) => events === 0));
      await transport.stop();
      await from.pool.query(`update ${from.schema}.duty set checkpoint = 0 where name = $1`, [harness.relay('drift')]);
      await started(from, [['drift', to, handlers]]);
      await until(() => heard.length === 6);
      expect(textsOf(heard)).toEqual(['a1', 'a2', 'a3', 'a1', 'a2', 'a3']);
      expect(heard.slice(3)).toEqual(heard.slice(0, 3));
      expect([...done.values()]).toEqual(['a1', 'a2', 'a3']);
    });

    it('waits for a slow handler without losing, doubling or turning round anything', async () => {
      const [from, to] = [await harness.producer(), await harness.consumer()];
      const heard: string[] = [];
      let open: () => void = () => undefined;
      const gate = new Promise<void>((resolve) => (open = resolve));
      const handler = async ({ data }: CloudEvent): Promise<void> => {
        await gate;
        heard.push((data as Note).text);
      };
      const transport = await started(from, [['drift', to, { [TYPE]: handler }]]);
      const texts = Array.from({ length: MANY }, (_, index) => String(index));
      await note(from, 'a', texts);
      await until(async () => (await transport.lag())[0]?.events === MANY);
      open();
      await until(() => heard.length >= MANY);
      expect(heard).toEqual(texts);
    });

    it('stops and says so when the log ends before its checkpoint (restored from an older copy)', async () => {
      const [from, to] = [await harness.producer(), await harness.consumer()];
      const heard: CloudEvent[] = [];
      await note(from, 'a', ['a1']);
      await from.takeDuty(harness.relay('drift'));
      await from.pool.query(`update ${from.schema}.duty set checkpoint = 7 where name = $1`, [harness.relay('drift')]);
      const transport = await started(from, [['drift', to, { [TYPE]: (event) => Promise.resolve(void heard.push(event)) }]]);
      await until(async () => (await transport.lag()).some(({ problem }) => problem?.includes('restored') === true));
      expect(heard).toEqual([]);
    });

    it('refuses a second producer of a topic, a second cursor of a group, and changes while it runs', async () => {
      const [from, to] = [await harness.producer(), await harness.consumer()];
      const transport = harness.transport();
      const producer = { service: 'inventory', topic, publish, store: from };
      const consumer = { store: to, subscription: { group: 'drift', topic, handlers: {} } };
      transport.produce(producer);
      transport.consume(consumer);
      expect(() => transport.produce(producer)).toThrow(MessagingError);
      expect(() => transport.consume(consumer)).toThrow(MessagingError);
      await transport.start();
      running.push(transport);
      expect(() => transport.consume({ ...consumer, subscription: { ...consumer.subscription, group: 'late' } })).toThrow(
        /before the transport starts/,
      );
    });
  });
}
