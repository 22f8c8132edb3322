import { createTestStore } from '@understudy/testing';
import { describe, expect, it } from 'vitest';
import { transportContract, until } from './contract.js';
import { InProcessTransport, MessagingError, isStoreAway } from './index.js';

const harness = {
  transport: () => new InProcessTransport(),
  producer: async () => (await createTestStore('inventory')).store,
  consumer: async () => (await createTestStore('drift')).store,
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

  it('a log that ends before the checkpoint (restored) stops the group and says so', async () => {
    const from = await harness.producer();
    const to = await harness.consumer();
    await from.takeDuty('relay/drift');
    await from.pool.query(`update ${from.schema}.duty set checkpoint = 7 where name = 'relay/drift'`);
    const transport = new InProcessTransport();
    transport.produce({ service: 'inventory', topic: 't', publish: () => undefined, store: from });
    transport.consume({ store: to, subscription: { group: 'drift', topic: 't', handlers: {} } });
    await transport.start();
    await until(async () => (await transport.lag())[0]?.problem?.includes('restored') === true);
    await transport.stop();
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
