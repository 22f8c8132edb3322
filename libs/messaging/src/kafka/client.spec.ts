import { createRequire } from 'node:module';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openClient } from './client.js';

interface Queue {
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  throttledUntil: number;
  readonly pending: unknown[];
  checkPendingRequests(): void;
  scheduleCheckPendingRequests(): void;
}

describe('the library’s request queue', () => {
  afterEach(() => void vi.useRealTimers());

  it('sets no timer while nothing waits, and one with a positive time when something does', () => {
    vi.useFakeTimers();
    openClient({ brokers: ['127.0.0.1:1'], clientId: 'spec' });
    const { prototype } = createRequire(import.meta.url)('kafkajs/src/network/requestQueue/index.js') as { prototype: Queue };
    let checks = 0;
    const queue: Queue = Object.assign(Object.create(prototype) as Queue, {
      throttleCheckTimeoutId: null,
      throttledUntil: -1,
      pending: [] as unknown[],
      checkPendingRequests: () => void (checks += 1),
    });
    queue.scheduleCheckPendingRequests();
    expect(vi.getTimerCount()).toBe(0);
    queue.pending.push({});
    queue.scheduleCheckPendingRequests();
    queue.scheduleCheckPendingRequests();
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(10);
    expect(checks).toBe(1);
  });
});
