import { openStore, type EventLog, type Store } from '@understudy/event-log';
import { createTestStore, eventually, testRuntime } from '@understudy/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { systemMetadata } from '../handle.js';
import { LogTail } from './log-tail.js';

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop();
});

async function appendTo(store: Store, stream: string, count: number): Promise<void> {
  const events = [{ type: 'Heard', schemaVersion: 1, body: {} }];
  for (let version = 0; version < count; version += 1)
    await store.log.append({ streams: [{ stream, expectedVersion: version, events }], metadata: systemMetadata() });
}

describe('the tail of the log', () => {
  async function following() {
    const { store, database } = await createTestStore('orchestrator');
    const other = await openStore({ connectionString: database.serviceConnection('orchestrator'), schema: 'orchestrator' });
    let reads = 0;
    const eventLog: EventLog = Object.create(store.log, {
      readAll: { value: (...asked: Parameters<EventLog['readAll']>) => ((reads += 1), store.log.readAll(...asked)) },
    });
    const heard: number[] = [];
    const hear = ({ position }: { readonly position: number }): void => void heard.push(position);
    const tail = new LogTail({
      name: 'spec',
      eventLog,
      log: (await testRuntime()).runtime.log,
      hear,
      then: () => Promise.resolve(),
    });
    await tail.start(() => Promise.resolve());
    running.push({ stop: () => tail.stop() }, { stop: () => other.close() });
    return { store, other, heard, reads: () => reads };
  }

  it('hears what this process appends without reading it again', async () => {
    const { store, heard, reads } = await following();
    await eventually('a first read', () => reads() > 0);
    const appends = 60;
    const before = reads();
    const began = performance.now();
    await appendTo(store, 'own', appends);
    await eventually('all to be heard', () => heard.length === appends);
    expect(heard).toEqual(Array.from({ length: appends }, (_, index) => index + 1));
    // It still polls for others, ten times a second at the most.
    expect(reads() - before).toBeLessThanOrEqual(Math.ceil((performance.now() - began) / 100) + 1);
  });

  it('hears every event once and in order while others append in between', async () => {
    const { store, other, heard } = await following();
    await Promise.all([appendTo(store, 'own/1', 40), appendTo(other, 'other', 40), appendTo(store, 'own/2', 40)]);
    await eventually('all to be heard', () => heard.length >= 120);
    expect(heard).toEqual(Array.from({ length: 120 }, (_, index) => index + 1));
  });
});
