import { isStoreAway } from '@understudy/event-log';
import { createTestStore } from '@understudy/testing';
import { describe, expect, it } from 'vitest';
import { transportContract } from './contract.js';
import { InProcessTransport, MessagingError } from './index.js';

const harness = {
  transport: () => new InProcessTransport(),
  producer: async () => (await createTestStore('inventory')).store,
  consumer: async () => (await createTestStore('drift')).store,
  relay: (group: string) => `relay/${group}`,
};

transportContract('in process', harness);

describe('only in process', () => {
  it('a topic that nobody in this process produces is refused at the start', async () => {
    const transport = new InProcessTransport();
    transport.consume({
      store: await harness.consumer(),
      subscription: { group: 'drift', topic: 'understudy.nobody.v1', handlers: {} },
    });
    await expect(transport.start()).rejects.toThrow(MessagingError);
  });

  it('tells a store that is away from a handler that is wrong', () => {
    expect(isStoreAway(new Error('cannot be read'))).toBe(false);
    expect(isStoreAway(Object.assign(new Error('x'), { code: '23505' }))).toBe(false);
    expect(isStoreAway(Object.assign(new Error('x'), { code: 'MY_CODE' }))).toBe(false);
    expect(isStoreAway('text')).toBe(false);
    expect(isStoreAway(Object.assign(new Error('x'), { code: '57P01' }))).toBe(true);
    expect(isStoreAway(Object.assign(new Error('x'), { code: 'ECONNREFUSED' }))).toBe(true);
    expect(isStoreAway(new Error('Connection terminated unexpectedly'))).toBe(true);
  });
});
