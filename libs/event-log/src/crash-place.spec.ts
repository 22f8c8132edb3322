import { createTestStore } from '@understudy/testing';
import { randomUUID } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EventMetadata, Store } from './api.js';
import { atPlace, openStore, poolTransactions, ProjectionRunner, Relay } from './index.js';

const DEADLINE_MS = 10_000;
const metadata = (): EventMetadata => ({
  commandId: randomUUID(),
  actor: { subject: 'spec', role: 'admin', authentication: 'internal', from: 'spec' },
});

async function append(store: Store): Promise<void> {
  const events = [{ type: 'Happened', schemaVersion: 1, body: {} }];
  await store.log.append({ streams: [{ stream: randomUUID(), expectedVersion: 0, events }], metadata: metadata() });
}

describe('the places at which a process may die', () => {
  let come: string[];
  const hear = (message: unknown): void => {
    const { place, detail } = message as { place: string; detail: string };
    come.push(`${place} ${detail}`);
  };
  beforeEach(() => {
    come = [];
    subscribe('understudy:crash-place', hear);
  });
  afterEach(() => unsubscribe('understudy:crash-place', hear));

  it('are told where a subscriber listens, there and then', () => {
    atPlace('before-adoption', 'r');
    expect(come).toEqual(['before-adoption r']);
    unsubscribe('understudy:crash-place', hear);
    atPlace('after-adoption', 'r');
    expect(come).toHaveLength(1);
  });

  it('stand around the renewal of a lease', async () => {
    const { database } = await createTestStore('inventory');
    const schema = 'inventory';
    come.splice(0);
    const store = await openStore({ connectionString: database.serviceConnection(schema), schema });
    expect(come).toEqual(['before-lease-renewed inventory', 'after-lease-renewed inventory']);
    await store.close();
  });

  it('stand around a delivery, then around the move of the relay’s checkpoint', async () => {
    const { store } = await createTestStore('inventory');
    const deliver = (): Promise<void> => Promise.resolve(void come.push('delivered'));
    const relay = new Relay({ store, name: 'relay/spec', publish: ({ type }) => type, deliver });
    await append(store);
    come.splice(0);
    relay.start();
    await vi.waitFor(() => expect(come.at(-1)).toBe('after-checkpoint-moved inventory relay/spec'), DEADLINE_MS);
    await relay.stop();
    const around = [
      'before-relay-published',
      'delivered',
      'after-relay-published',
      'before-checkpoint-moved',
      'after-checkpoint-moved',
    ];
    expect(come.map((words) => words.split(' ')[0])).toEqual(around);
  });

  it('stand between a projection’s rows and their commit, and after it', async () => {
    const { store } = await createTestStore('inventory');
    const apply = (): Promise<void> => Promise.resolve(void come.push('applied'));
    const projection = { name: 'projection/spec', apply, clear: () => Promise.resolve() };
    const runner = new ProjectionRunner({ store, projection, transactions: poolTransactions(store.pool) });
    await append(store);
    come.splice(0);
    runner.start();
    await runner.caughtUp(DEADLINE_MS);
    await runner.stop();
    expect(come).toEqual([
      'applied',
      'before-checkpoint-moved inventory projection/spec',
      'after-checkpoint-moved inventory projection/spec',
    ]);
  });
});
