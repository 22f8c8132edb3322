import { describe, expect, it } from 'vitest';
import type { CloudEvent } from '../api.js';
import { Guard } from './guard.js';

const event = (sequence: number, over: Partial<CloudEvent> = {}): CloudEvent => ({
  specversion: '1.0',
  id: `note/${sequence}`,
  source: '/understudy/inventory/log-1',
  type: 't',
  subject: 's',
  time: '2026-01-01T00:00:00.000Z',
  datacontenttype: 'application/json',
  partitionkey: 'a',
  sequence: String(sequence).padStart(20, '0'),
  data: {},
  ...over,
});

describe('what a partition brought before', () => {
  it('is told by the source position of the key', () => {
    const guard = new Guard();
    expect(guard.isNew(event(5))).toBe(true);
    guard.took(event(5));
    expect(guard.isNew(event(5))).toBe(false);
    expect(guard.isNew(event(4))).toBe(false);
    expect(guard.isNew(event(6))).toBe(true);
    expect(guard.isNew(event(4, { partitionkey: 'b' }))).toBe(true);
    expect(guard.isNew(event(4, { source: '/understudy/inventory/log-2' }))).toBe(true);
  });

  it('is not what was only seen', () => {
    const guard = new Guard();
    expect(guard.isNew(event(5))).toBe(true);
    expect(guard.isNew(event(5))).toBe(true);
  });

  it('stays what it was when something older comes once more and is passed over', () => {
    const guard = new Guard();
    guard.took(event(5));
    guard.took(event(3));
    expect(guard.isNew(event(4))).toBe(false);
    expect(guard.isNew(event(5))).toBe(false);
    expect(guard.isNew(event(6))).toBe(true);
  });

  it('another event at a known place means a restored log', () => {
    const guard = new Guard();
    guard.took(event(5));
    expect(() => guard.isNew(event(5, { id: 'note/other' }))).toThrow(/restored from an older copy/);
    expect(() => guard.isNew(event(5, { time: '2026-01-02T00:00:00.000Z', partitionkey: 'b' }))).toThrow(/note\/5 of 2026-01-02/);
  });

  it('is kept in bounded memory: the oldest is forgotten first', () => {
    const guard = new Guard();
    for (let key = 1; key <= 10_001; key += 1) guard.took(event(key, { partitionkey: String(key) }));
    expect(guard.isNew(event(1, { partitionkey: '1' }))).toBe(true);
    expect(guard.isNew(event(2, { partitionkey: '2' }))).toBe(false);
  });
});
