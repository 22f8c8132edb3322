import { randomUUID } from 'node:crypto';
import { createTestStore } from '@understudy/testing';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Store } from './index.js';

const STREAMS = 150;

let store: Store;
beforeAll(async () => {
  ({ store } = await createTestStore('orchestrator'));
  const actor = { subject: 'spec', role: 'admin', authentication: 'internal', from: 'spec' };
  const event = (n: number) => ({ type: 'Noted', schemaVersion: 1, body: { n } });
  const append = (number: number) =>
    store.log.append({
      streams: [{ stream: `s/${number}`, expectedVersion: 0, events: [event(1), event(2), event(3)] }],
      metadata: { commandId: randomUUID(), actor },
    });
  await Promise.all(Array.from({ length: STREAMS }, (_, number) => append(number)));
});
afterEach(() => vi.restoreAllMocks());

describe('streams that are read at the same time', () => {
  it('share statements, and each is given its own events in order, from its own version on', async () => {
    const queries = vi.spyOn(store.pool, 'query');
    const found = await Promise.all([
      ...Array.from({ length: STREAMS }, (_, number) => store.log.readStream(`s/${number}`)),
      store.log.readStream('s/7', 3),
      store.log.readStream('s/7', 4),
      store.log.readStream('of nobody'),
    ]);
    expect(queries.mock.calls.length).toBeLessThanOrEqual(Math.ceil((STREAMS + 3) / 64));
    const names = found.map((events) => events.map(({ stream, version }) => `${stream} ${version}`));
    const whole = Array.from({ length: STREAMS }, (_, number) => [1, 2, 3].map((version) => `s/${number} ${version}`));
    expect(names).toEqual([...whole, ['s/7 3'], [], []]);
  });

  it('are refused together when the store is away, and read again afterwards', async () => {
    vi.spyOn(store.pool, 'query').mockImplementationOnce(() => {
      throw new Error('away');
    });
    const both = await Promise.allSettled([store.log.readStream('s/1'), store.log.readStream('s/2')]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(await store.log.readStream('s/1', 3)).toMatchObject([{ body: { n: 3 } }]);
  });
});
