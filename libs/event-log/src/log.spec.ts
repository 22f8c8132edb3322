import { createTestStore } from '@understudy/testing';
import { describe, expect, it } from 'vitest';
import type { EventMetadata } from './api.js';

const actor = { subject: 'spec', role: 'admin', authentication: 'internal', from: 'spec' };
const metadata = (commandId: string): EventMetadata => ({ commandId, actor });
const noted = (body: unknown) => ({ type: 'Noted', schemaVersion: 1, body });

describe('the event log', () => {
  it('appends and reads', async () => {
    const { store } = await createTestStore('orchestrator');
    const r = await store.log.append({
      streams: [
        { stream: 'a', expectedVersion: 0, events: [noted({ n: 1, ü: '\u0000"\\x\ud800' }), noted('x\\u0041"'), noted(null)] },
      ],
      metadata: metadata('c1'),
    });
    const s = await store.log.readStream('a');
    expect(r).toEqual({ appended: true, events: s });
    const replayed: unknown[] = [];
    await store.log.replay(0, (e) => replayed.push(e));
    expect(replayed).toEqual(s);
    expect(await store.log.verify()).toEqual({ intact: true, events: 3, headPosition: 3 });
    expect(
      await store.log.append({ streams: [{ stream: 'a', expectedVersion: 0, events: [noted(1)] }], metadata: metadata('c2') }),
    ).toMatchObject({ appended: false });
  });
});
