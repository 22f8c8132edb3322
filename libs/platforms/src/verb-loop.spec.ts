import type { ClusterSnapshot } from '@understudy/cluster';
import type { Host, JournalEntry } from '@understudy/hosts';
import { describe, expect, it } from 'vitest';
import type { VerbRequest, VerbResult } from './platform.js';
import { runVerb, type ActOutcome, type NamedAct, type Next } from './verb-loop.js';

const summary = {} as ClusterSnapshot;
const second = (s: number): string => new Date(s * 1_000).toISOString();

interface Run {
  readonly entries: () => readonly JournalEntry[];
  readonly outcome?: (nowMs: number) => { readonly outcome: ActOutcome; readonly tookMs: number };
  readonly limitMs?: number;
  /** The act has its effect at its nth performance; left out: at the first that ends well. */
  readonly effectAt?: number;
  readonly mayGoOn?: VerbRequest['mayGoOn'];
  /** In place of the act. */
  readonly next?: (nowMs: number) => Next<NamedAct>;
  /** The wall clock jumps then, by so much. */
  readonly clock?: { readonly jumpsAtMs: number; readonly byMs: number };
}

/** One act is wanted until it ended; time passes only by pauses and by the act. */
async function when(
  run: Run,
): Promise<{ readonly result: VerbResult; readonly at: readonly number[]; readonly keys: readonly string[] }> {
  let nowMs = 0;
  let isDone = false;
  const at: number[] = [];
  const keys: string[] = [];
  const journal = {
    entries: (prefix: string) =>
      Promise.resolve({ status: 'read', entries: run.entries().filter(({ key }) => key.startsWith(prefix)) }),
  };
  const host = { definition: { slug: 'h' }, journal } as unknown as Host;
  const request: VerbRequest = {
    verb: 'switchover',
    workload: 'app',
    node: 'b',
    key: 'rollout/step/2',
    fence: { logId: 'log', epoch: 1 },
    deadlineAt: run.limitMs ?? 60_000,
    parameters: {},
    mayGoOn: run.mayGoOn ?? (() => true),
    onAct: () => undefined,
  };
  const result = await runVerb<null, NamedAct>(
    {
      hosts: [host],
      now: () => nowMs + (nowMs >= (run.clock?.jumpsAtMs ?? Infinity) ? (run.clock?.byMs ?? 0) : 0),
      monotonic: () => nowMs,
      pause: (ms) => Promise.resolve(void (nowMs += ms)),
      observe: () => Promise.resolve(null),
      nextAct: () =>
        run.next?.(nowMs) ?? (isDone ? { next: 'done' } : { next: 'act', act: { act: 'promote', host: 'h' }, binding: true }),
      perform: (_act, key) => {
        at.push(nowMs);
        keys.push(key);
        const { outcome, tookMs } = run.outcome?.(nowMs) ?? { outcome: { status: 'ended', detail: '' } as const, tookMs: 0 };
        nowMs += tookMs;
        isDone = outcome.status === 'ended' && at.length >= (run.effectAt ?? 1);
        return Promise.resolve(outcome);
      },
      summary: () => summary,
    },
    request,
  );
  return { result, at, keys };
}

describe('acts of the same rollout that may still be running', () => {
  it('an earlier attempt without a recorded end is given its whole time', async () => {
    const { at, keys } = await when({ entries: () => [{ key: 'rollout/step/1/return-active/1', epoch: 1, begunAt: second(5) }] });
    expect(at).toEqual([10_000]);
    expect(keys).toEqual(['rollout/step/2/promote/1']);
  });

  it('its end is waited for no longer than it takes', async () => {
    let looks = 0;
    const entry = { key: 'rollout/other-step/1/start/1', epoch: 1, begunAt: second(5) };
    const { at } = await when({ entries: () => [++looks < 3 ? entry : { ...entry, ended: { at: second(6), code: 0 } }] });
    expect(at).toEqual([200]);
  });

  it('what its own host shows to be over long ago is not waited for, nor is another rollout', async () => {
    const lost = { key: 'rollout/step/1/stop/1', epoch: 1, begunAt: second(5) };
    const later = { key: 'rollout/step/1/start/1', epoch: 1, begunAt: second(20), ended: { at: second(21), code: 0 } };
    expect((await when({ entries: () => [lost, later] })).at).toEqual([0]);
    expect((await when({ entries: () => [{ ...lost, key: 'rollout-2/step/1/stop/1' }] })).at).toEqual([0]);
  });

  it('numbers go on from this step alone', async () => {
    const ended = { at: second(6), code: 0 };
    const used = { epoch: 1, begunAt: second(5), ended };
    const { keys } = await when({
      entries: () => [
        { ...used, key: 'rollout/step/1/promote/7' },
        { ...used, key: 'rollout/step/2/promote/2' },
      ],
    });
    expect(keys).toEqual(['rollout/step/2/promote/3']);
  });

  it('an act that was not heard of has its whole time from when the call returned', async () => {
    const { at } = await when({
      entries: () => [],
      outcome: (nowMs) =>
        nowMs === 0
          ? { outcome: { status: 'unknown', detail: 'no answer' }, tookMs: 12_000 }
          : { outcome: { status: 'ended', detail: '' }, tookMs: 0 },
    });
    expect(at).toEqual([0, 22_050]);
  });

  it('a jump of the clock ends no wait for an act that may still run', async () => {
    const entries = (): JournalEntry[] => [{ key: 'rollout/step/1/promote/1', epoch: 1, begunAt: second(5) }];
    expect((await when({ entries, clock: { jumpsAtMs: 500, byMs: 30_000 } })).at).toEqual([10_000]);
    expect((await when({ entries, clock: { jumpsAtMs: 500, byMs: -30_000 } })).at).toEqual([10_000]);
  });

  it('with no time left nothing is done', async () => {
    const { result, at } = await when({
      entries: () => [{ key: 'rollout/step/1/return-active/1', epoch: 1, begunAt: second(5) }],
      limitMs: 9_000,
    });
    expect(result).toMatchObject({ status: 'unknown', cause: 'deadline', reason: expect.stringContaining('no recorded end') });
    expect(at).toEqual([]);
  });
});

describe('an act whose effect is not seen', () => {
  it('rests before it is repeated, longer each time up to a limit', async () => {
    const { at, keys, result } = await when({ entries: () => [], effectAt: 6 });
    expect(at).toEqual([0, 250, 750, 1_750, 3_750, 5_750]);
    expect(keys.at(-1)).toBe('rollout/step/2/promote/6');
    expect(result.status).toBe('met');
  });

  it('rests as well when it refused', async () => {
    const refused = { outcome: { status: 'refused', detail: 'not now' } as const, tookMs: 0 };
    const { at } = await when({ entries: () => [], outcome: () => refused, limitMs: 2_000 });
    expect(at).toEqual([0, 250, 750, 1_750]);
  });

  it('can be frozen while it rests', async () => {
    const { at, result } = await when({ entries: () => [], effectAt: 2, mayGoOn: ({ act }) => act !== 'wait' });
    expect(result).toMatchObject({ status: 'unknown', cause: 'frozen' });
    expect(at).toEqual([0]);
  });
});

describe('a call whose deadline is over', () => {
  const waiting = (more: { readonly asked?: true }): Next<NamedAct> => ({
    next: 'wait',
    why: 'no answer yet',
    binding: true,
    ...more,
  });
  const causeOf = async (next: (nowMs: number) => Next<NamedAct>): Promise<string> => {
    const { result } = await when({ entries: () => [], limitMs: 2_000, next });
    return result.status === 'unknown' ? result.cause : result.status;
  };

  it('says that the platform was asked and may still act, as long as that was the last that was seen', async () => {
    expect(await causeOf(() => waiting({ asked: true }))).toBe('asked');
    expect(await causeOf(() => waiting({}))).toBe('deadline');
    expect(await causeOf((nowMs) => waiting(nowMs < 1_000 ? { asked: true } : {}))).toBe('deadline');
  });

  it('takes no last look that its deadline would cut off', async () => {
    const looks: number[] = [];
    await causeOf((nowMs) => {
      looks.push(nowMs);
      return { next: 'wait', why: 'not yet', binding: false };
    });
    expect(looks.at(-1)).toBeLessThanOrEqual(1_750);
    expect(looks.length).toBeGreaterThan(10);
  });
});
