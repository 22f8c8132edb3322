/** What every channel promises its sender. `receiver` is a real one that answers as it is told. */
import { describe, expect, it } from 'vitest';
import type { Channel, OutgoingMessage } from './channel.js';

export interface ReceiverScript {
  /** HTTP-like status of the answer; 0 = never answers. */
  readonly status: number;
  readonly retryAfterSeconds?: number;
}

export interface ChannelHarness {
  /** A channel whose attempts end within `timeoutMs`. */
  readonly channel: (timeoutMs: number) => Channel;
  /** Starts a receiver; answers its address, and ids and bodies as they came in. */
  readonly receiver: (
    script: ReceiverScript,
  ) => Promise<{ readonly url: string; readonly heard: readonly { readonly id: string; readonly body: string }[] }>;
  /** An address where nobody listens. */
  readonly deadUrl: string;
  /** Addresses of a form that the channel must refuse. */
  readonly wrongUrls: readonly string[];
}

const LIMIT_MS = 400;
const AT = Date.parse('2026-03-01T10:00:00Z');

export function channelContract(name: string, harness: ChannelHarness): void {
  const message = (url: string, more: Partial<OutgoingMessage> = {}): OutgoingMessage => ({
    deliveryId: '0197a5c0-0000-8000-8000-000000000001',
    url,
    body: '{"specversion":"1.0"}',
    contentType: 'application/cloudevents+json; charset=utf-8',
    secrets: ['whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='],
    at: AT,
    ...more,
  });
  const send = (url: string, signal = new AbortController().signal) => harness.channel(LIMIT_MS).send(message(url), signal);

  describe(`channel ${name}`, () => {
    it('brings the bytes as they are, with the same id at every attempt', async () => {
      const { url, heard } = await harness.receiver({ status: 200 });
      expect(await harness.channel(5_000).check(url)).toEqual([]);
      expect(await send(url)).toEqual({ kind: 'accepted' });
      expect(await send(url)).toEqual({ kind: 'accepted' });
      expect(heard).toEqual([1, 2].map(() => ({ id: message(url).deliveryId, body: message(url).body })));
    });
    it('a refusal of the receiver is a failure with a reason', async () => {
      const { url } = await harness.receiver({ status: 500 });
      expect(await send(url)).toMatchObject({ kind: 'failed', reason: expect.stringContaining('500') as string });
    });
    it('a receiver that asks to wait is heard', async () => {
      const { url } = await harness.receiver({ status: 429, retryAfterSeconds: 7 });
      expect(await send(url)).toMatchObject({ kind: 'failed', retryAfterMs: 7_000 });
    });
    it('a receiver that is gone for good says so', async () => {
      const { url } = await harness.receiver({ status: 410 });
      expect(await send(url)).toMatchObject({ kind: 'gone' });
    });
    it('an attempt ends within its limit, and at once when it is called off', async () => {
      const { url } = await harness.receiver({ status: 0 });
      const began = performance.now();
      expect(await send(url)).toMatchObject({ kind: 'failed', reason: expect.stringContaining('within 400 ms') as string });
      expect(performance.now() - began).toBeLessThan(5 * LIMIT_MS);
      expect(await send(url, AbortSignal.abort())).toMatchObject({ kind: 'failed' });
    });
    it('never rejects: nobody there, or an address that is none', async () => {
      for (const url of [harness.deadUrl, ...harness.wrongUrls]) expect(await send(url)).toMatchObject({ kind: 'failed' });
    });
    it.each(harness.wrongUrls)('refuses %s when it is told', async (url) => {
      const [refusal] = await harness.channel(5_000).check(url);
      expect(refusal).toMatchObject({ pointer: '/url', code: expect.stringMatching(/^[A-Z_]+$/) as string });
    });
  });
}
