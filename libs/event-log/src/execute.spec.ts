import { randomUUID } from 'node:crypto';
import { type Decider, accept, refuse } from '@understudy/decider';
import { createTestStore } from '@understudy/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { type EventMetadata, type Execution, type Store, eventCodec, execute, loadStream } from './index.js';

type Event =
  | { readonly type: 'Opened'; readonly body: { readonly by: string } }
  | { readonly type: 'Added'; readonly body: { readonly n: number } };
type Command = { readonly type: 'open'; readonly by: string } | { readonly type: 'add'; readonly n: number };
interface State {
  readonly open: boolean;
  readonly sum: number;
}

const counter: Decider<State, Command, Event> = {
  initial: { open: false, sum: 0 },
  decide: (command, state) => {
    if (command.type === 'open') return state.open ? accept() : accept({ type: 'Opened', body: { by: command.by } });
    if (!state.open) return refuse('precondition', { pointer: '', code: 'NOT_OPEN', detail: 'It is not open. Open it first.' });
    return accept({ type: 'Added', body: { n: command.n } });
  },
  evolve: (state, event) => (event.type === 'Opened' ? { ...state, open: true } : { ...state, sum: state.sum + event.body.n }),
};

const actor = { subject: 'spec', role: 'admin', authentication: 'internal', from: 'spec' };
const codec = eventCodec<Event>({ field: 'body' });

let store: Store;
beforeAll(async () => {
  ({ store } = await createTestStore('orchestrator'));
});

function run(
  stream: string,
  command: Command,
  more: Partial<Execution<State, Command, Event>> & { id?: string; fingerprint?: string } = {},
) {
  const { id = randomUUID(), fingerprint, ...rest } = more;
  const metadata: EventMetadata = { commandId: id, actor, ...(fingerprint === undefined ? {} : { fingerprint }) };
  return execute(store.log, counter, { stream, command, metadata, codec, ...rest });
}

describe('a command', () => {
  it('is loaded, decided and appended; a refusal appends nothing', async () => {
    expect(await run('s1', { type: 'add', n: 1 })).toMatchObject({
      accepted: false,
      kind: 'precondition',
      refusals: [{ code: 'NOT_OPEN' }],
    });
    expect(await run('s1', { type: 'open', by: 'me' })).toMatchObject({
      accepted: true,
      version: 1,
      state: { open: true },
      repeated: false,
    });
    expect(await run('s1', { type: 'add', n: 5 })).toMatchObject({
      accepted: true,
      version: 2,
      state: { sum: 5 },
      events: [{ type: 'Added', body: { n: 5 } }],
    });
    expect(await run('s1', { type: 'open', by: 'me' })).toMatchObject({ accepted: true, version: 2, events: [], stored: [] });
    expect(await store.log.readStream('s1')).toHaveLength(2);
  });

  it('given again answers as the first time and appends nothing', async () => {
    await run('s2', { type: 'open', by: 'me' });
    const first = await run('s2', { type: 'add', n: 1 }, { id: 'c1', fingerprint: 'f1' });
    await run('s2', { type: 'add', n: 10 });
    const again = await run('s2', { type: 'add', n: 1 }, { id: 'c1', fingerprint: 'f1' });
    if (!first.accepted || !again.accepted) throw new Error('refused');
    expect(again.repeated).toBe(true);
    expect({ events: again.events, stored: again.stored, state: again.state, version: again.version }).toEqual({
      events: first.events,
      stored: first.stored,
      state: { open: true, sum: 1 },
      version: 2,
    });
    expect(await run('s2', { type: 'add', n: 2 }, { id: 'c1', fingerprint: 'f2' })).toMatchObject({
      accepted: false,
      kind: 'invalid',
      refusals: [{ code: 'IDEMPOTENCY_KEY_REUSED' }],
    });
    expect(await store.log.readStream('s2')).toHaveLength(3);
  });

  it('given twice at the same time is done once', async () => {
    await run('s3', { type: 'open', by: 'me' });
    const results = await Promise.all(Array.from({ length: 8 }, () => run('s3', { type: 'add', n: 1 }, { id: 'once' })));
    expect(results.every((result) => result.accepted && result.state.sum === 1)).toBe(true);
    expect(results.filter((result) => result.accepted && !result.repeated)).toHaveLength(1);
    expect(await store.log.readStream('s3')).toHaveLength(2);
  });

  it('that meets others is decided again on what they did', async () => {
    await run('s4', { type: 'open', by: 'me' });
    const results = await Promise.all([1, 2, 3, 4].map((n) => run('s4', { type: 'add', n })));
    expect(results.every((result) => result.accepted)).toBe(true);
    expect((await loadStream(store.log, counter, codec, 's4')).state.sum).toBe(10);
  });

  it('gives up with a conflict when others are always faster', async () => {
    await run('s5', { type: 'open', by: 'me' });
    let asked = 0;
    const also = async () => {
      asked += 1;
      await run('s5', { type: 'add', n: 1 });
      return [];
    };
    expect(await run('s5', { type: 'add', n: 100 }, { also })).toMatchObject({
      accepted: false,
      kind: 'conflict',
      refusals: [{ code: 'CONCURRENT_CHANGE' }],
    });
    expect(asked).toBe(5);
    expect((await loadStream(store.log, counter, codec, 's5')).state.sum).toBe(5);
  });

  it('that may be decided once only is refused as soon as somebody else was faster', async () => {
    await run('s9', { type: 'open', by: 'me' });
    const loaded = await loadStream(store.log, counter, codec, 's9');
    await run('s9', { type: 'add', n: 1 });
    expect(await run('s9', { type: 'add', n: 100 }, { loaded, decisions: 1 })).toMatchObject({
      accepted: false,
      kind: 'conflict',
      refusals: [{ code: 'CONCURRENT_CHANGE' }],
    });
    expect((await loadStream(store.log, counter, codec, 's9')).state.sum).toBe(1);
  });

  it('takes further streams along, all or nothing', async () => {
    const claim = (expectedVersion: number) => () => [
      { stream: 'claim/h1', expectedVersion, events: [{ type: 'HostClaimed', schemaVersion: 1, body: { rollout: 's6' } }] },
    ];
    expect(await run('s6', { type: 'open', by: 'me' }, { also: claim(0) })).toMatchObject({
      accepted: true,
      version: 1,
      stored: [{ stream: 's6' }, { stream: 'claim/h1' }],
    });
    expect(await run('s7', { type: 'open', by: 'me' }, { also: claim(0) })).toMatchObject({ accepted: false, kind: 'conflict' });
    expect(await store.log.readStream('s7')).toEqual([]);
  });

  it('of an owner that keeps the folded state costs no read', async () => {
    const opened = await run('s8', { type: 'open', by: 'me' });
    if (!opened.accepted) throw new Error('refused');
    let loaded = opened.loaded;
    let reads = 0;
    const log = {
      ...store.log,
      append: store.log.append.bind(store.log),
      readStream: (stream: string, from?: number) => ((reads += 1), store.log.readStream(stream, from)),
    };
    for (let n = 0; n < 5; n += 1) {
      const result = await execute(log, counter, {
        stream: 's8',
        command: { type: 'add', n: 1 },
        metadata: { commandId: randomUUID(), actor },
        codec,
        loaded,
      });
      if (!result.accepted) throw new Error('refused');
      loaded = result.loaded;
    }
    expect(reads).toBe(0);
    expect(loaded).toEqual(await loadStream(store.log, counter, codec, 's8'));
    // Somebody else appends: what is kept is read on, not from the start.
    await run('s8', { type: 'add', n: 7 });
    expect(await run('s8', { type: 'add', n: 1 }, { loaded })).toMatchObject({ accepted: true, version: 8, state: { sum: 13 } });
  });
});
