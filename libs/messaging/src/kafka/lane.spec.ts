import type { Store } from '@understudy/event-log';
import { createTestStore } from '@understudy/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import type { CloudEvent, HandlerTable } from '../api.js';
import { until } from '../contract.js';
import { findDeadLetter, listDeadLetters } from '../dead-letters.js';
import { toRecord } from './binding.js';
import { recorder } from './fixtures/contract.js';
import { Guard } from './guard.js';
import { Lane, type LaneRecord } from './lane.js';

const MIB = 1024 * 1024;
let store: Store;

beforeAll(async () => {
  ({ store } = await createTestStore('drift'));
});

function event(sequence: number, over: Partial<CloudEvent> = {}): CloudEvent {
  return {
    specversion: '1.0',
    id: `note/a/${sequence}`,
    source: '/understudy/inventory/log-1',
    type: 'understudy.inventory.noted.v1',
    subject: 'a',
    time: '2026-01-01T00:00:00.000Z',
    datacontenttype: 'application/json',
    partitionkey: 'a',
    sequence: String(sequence).padStart(20, '0'),
    data: { key: 'a', text: String(sequence) },
    ...over,
  };
}

/** As the client library hands it over: bytes. */
function record(offset: number, { key, value, headers = {} }: ReturnType<typeof toRecord>): LaneRecord {
  const bytes = Object.entries(headers).map(([name, text]) => [name, Buffer.from(String(text))] as const);
  return {
    offset: String(offset),
    key: Buffer.from(String(key)),
    value: value === null ? null : Buffer.from(value),
    headers: Object.fromEntries(bytes),
  };
}

interface Watched {
  readonly lane: Lane;
  /** What the lane asked of its group, in order: an offset, `pause`, `resume`. */
  readonly asked: string[];
}

let groups = 0;

function laneOf(handlers: HandlerTable): Watched & { readonly group: string } {
  groups += 1;
  const group = `lane-${groups}`;
  const asked: string[] = [];
  const lane = new Lane(
    {
      consumer: { store, subscription: { group, topic: 'understudy.lane.v1', handlers } },
      partition: 0,
      guard: new Guard(),
      after: Promise.resolve(),
    },
    {
      done: (offset) => void asked.push(offset),
      pause: () => void asked.push('pause'),
      resume: () => void asked.push('resume'),
    },
  );
  return { lane, asked, group };
}

/** A handler that waits until it is let go, and how often it was called. */
function gate(): { readonly before: () => Promise<void>; readonly calls: () => number; readonly open: () => void } {
  let open = (): void => undefined;
  let calls = 0;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const before = (): Promise<void> => {
    calls += 1;
    return opened;
  };
  return { before, calls: () => calls, open };
}

const other = (sequence: number, data: unknown = {}): CloudEvent =>
  event(sequence, { type: 'understudy.inventory.other.v1', data });

describe('a lane', () => {
  it('passes over what is published once more, however many batches the copies fill', async () => {
    const { handlers, textsOf } = recorder();
    const { lane, asked } = laneOf(handlers);
    const first = Array.from({ length: 600 }, (_, index) => index + 1);
    const sequences = [...first, ...first, 601];
    lane.push(sequences.map((sequence, index) => record(index, toRecord(event(sequence)))));
    await until(() => asked.at(-1) === String(sequences.length));
    expect(textsOf('a')).toEqual([...first, 601].map(String));
  });

  it('keeps nothing of a type that nobody handles, and its offset is done in its turn', async () => {
    const { before, calls, open } = gate();
    const { handlers } = recorder(before);
    const { lane, asked } = laneOf(handlers);
    lane.push([record(0, toRecord(other(1)))]);
    expect(asked).toEqual(['1']);
    lane.push([record(1, toRecord(event(2))), record(2, toRecord(other(3)))]);
    await until(() => calls() === 1);
    // However much of it comes: it does not count.
    for (let offset = 3; offset < 3_003; offset += 1) lane.push([record(offset, toRecord(other(offset + 1)))]);
    expect(asked).toEqual(['1']);
    open();
    await until(() => asked.length > 1);
    expect(asked).toEqual(['1', '3003']);
  });

  it('wants no more above some MiB, and again below half of it', async () => {
    const { before, open } = gate();
    const { handlers, heard } = recorder(before);
    const { lane, asked } = laneOf(handlers);
    const text = 'x'.repeat(MIB);
    for (let offset = 0; offset < 7; offset += 1) lane.push([record(offset, toRecord(event(offset + 1, { data: { text } })))]);
    expect(asked).toEqual([]);
    for (let offset = 7; offset < 9; offset += 1) lane.push([record(offset, toRecord(event(offset + 1, { data: { text } })))]);
    expect(asked).toEqual(['pause']);
    open();
    await until(() => asked.includes('resume'));
    expect(asked).toEqual(['pause', '9', 'resume']);
    expect(heard).toHaveLength(9);
  });

  it('holds nothing of the bytes in which the broker sent it', async () => {
    const { before, calls, open } = gate();
    const { handlers, heard } = recorder(before);
    const { lane, asked } = laneOf(handlers);
    lane.push([record(0, toRecord(event(1)))]);
    await until(() => calls() === 1);
    const sent = record(1, toRecord(event(2)));
    lane.push([sent]);
    for (const bytes of [sent.key, sent.value, ...Object.values(sent.headers ?? {})]) if (Buffer.isBuffer(bytes)) bytes.fill(0);
    open();
    await until(() => asked.at(-1) === '2');
    expect(heard).toEqual([event(1), event(2)]);
  });

  it('buries what holds U+0000 where PostgreSQL takes none, and goes on', async () => {
    const { handlers, heard } = recorder(({ text }) =>
      text === 'poison' ? Promise.reject(new Error('no \u0000')) : Promise.resolve(),
    );
    const { lane, asked, group } = laneOf(handlers);
    const poison = event(1, { id: 'note/\u0000/1', subject: '\u0000', data: { key: 'a', text: 'poison', more: '\u0000' } });
    const broken = { ...toRecord(event(2)), value: '\u0000{' };
    lane.push([record(0, toRecord(poison)), record(1, broken), record(2, toRecord(event(3)))]);
    await until(() => asked.at(-1) === '3');
    expect(heard).toEqual([event(3)]);
    const letters = await listDeadLetters(store, group);
    expect(await findDeadLetter(store, group, poison.source, poison.id)).toEqual(letters[1]);
    expect(letters.map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/^not readable: SyntaxError/),
      'Error: no \ufffd',
    ]);
    expect(letters[1]?.message).toEqual(poison);
  });
});
