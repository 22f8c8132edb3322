import { describe, expect, it } from 'vitest';
import type { LedgerEntry } from '../load/gaps.js';
import type { Closed, RecordedEvent } from '../rest/documents.js';
import { chainWords, closedOf, compare, problemsOf, shortReport, switchoversOf, type LastLine } from './verdict.js';

function recorded(type: string, body: Record<string, unknown>): RecordedEvent {
  return { position: 1, version: 1, type, time: '2026-01-01T00:00:00.000Z', body };
}

const line: LastLine = {
  scenario: 'happy',
  result: 'succeeded',
  versionsBefore: { a: '17.9', b: '17.9' },
  versionsAfter: { a: '17.10', b: '17.10' },
  interruptionMs: 80,
  resolutionMs: 22,
  switchovers: 3,
  acknowledgedWrites: 1_500,
  failedWrites: 9,
  lostWrites: 0,
  events: 90,
  chain: 'intact',
  report: '/r.html',
};

/** Writes every 10 ms with one gap. */
function ledger(gapMs: number): readonly LedgerEntry[] {
  const times = Array.from({ length: 100 }, (_, index) => index * 10 + (index >= 50 ? gapMs : 0));
  return times.map((at, index) => ({ kind: 'ack', n: index, node: 'a', at, tookMs: 2 }));
}

function closed(longestMs: number, lostWrites = 0): Closed {
  const interruption = {
    measured: true,
    fromMs: 0,
    toMs: 5_000,
    longestMs,
    sumMs: longestMs,
    failedOperations: 1,
    resolutionMs: 22,
    acknowledgedWrites: 9,
    lostWrites,
  };
  return { result: 'succeeded', reason: 'all done', remains: [], interruption };
}

const fine = compare(closed(80), ledger(80), 10);

describe('the verdict on a run', () => {
  it('finds nothing wrong with a good run', () => {
    expect(problemsOf(line, 'succeeded', fine)).toEqual([]);
  });

  it.each<[string, Partial<LastLine>, RegExp]>([
    ['another result', { result: 'held' }, /result is held; this scenario ends succeeded/],
    ['a lost write', { lostWrites: 1 }, /1 acknowledged writes are lost/],
    ['too few writes', { acknowledgedWrites: 499 }, /Only 499 writes/],
    ['a broken chain', { chain: 'broken at position 7: changed' }, /do not verify: broken at position 7/],
  ])('names %s', (_what, change, sentence) => {
    const problems = problemsOf({ ...line, ...change }, 'succeeded', fine);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(sentence);
  });

  it('names probe and load client that disagree by more than both resolutions, and only then', () => {
    expect(problemsOf(line, 'succeeded', compare(closed(80), ledger(104), 10))).toEqual([]);
    const [problem] = problemsOf(line, 'succeeded', compare(closed(80), ledger(160), 10));
    expect(problem).toMatch(/^Probe and load client disagree: 80 ms .* against 170 ms/);
  });

  it('names switchovers that nobody measured, and a loss that the probe saw', () => {
    const unmeasured: Closed = { ...closed(0), interruption: { ...closed(0).interruption, measured: false } };
    expect(problemsOf(line, 'succeeded', compare(unmeasured, ledger(0), 10))).toEqual([
      'Switchovers were performed and no interruption was measured.',
    ]);
    expect(problemsOf(line, 'succeeded', compare(closed(80, 2), ledger(80), 10))).toEqual([
      'The probe misses 2 of its own acknowledged writes.',
    ]);
  });

  it('counts switchovers by the plan’s kinds, also of a revised plan', () => {
    const events = [
      recorded('RolloutPlanned', { plan: { steps: [{ stepId: '01-x', kind: 'switchover' }] } }),
      recorded('PlanRevised', {
        plan: {
          steps: [
            { stepId: '02-y', kind: 'switchover' },
            { stepId: '03-z', kind: 'patch' },
          ],
        },
      }),
      ...['01-x', '02-y', '03-z'].map((stepId) => recorded('StepSucceeded', { stepId })),
      recorded('StepFailed', { stepId: '01-x' }),
    ];
    expect(switchoversOf(events)).toBe(2);
    expect(closedOf(events)).toBeUndefined();
  });

  it('says where a chain is broken', () => {
    expect(chainWords({ intact: true, events: 3 })).toBe('intact');
    expect(chainWords({ intact: false, position: 12, reason: 'a row was changed' })).toBe(
      'broken at position 12: a row was changed',
    );
  });

  it('tells a person what was measured and by whom', () => {
    const text = shortReport(line, fine, 21_400).join('\n');
    expect(text).toContain('succeeded after 21.4 s');
    expect(text).toContain('17.9 -> 17.10');
    expect(text).toMatch(/longest 80 ms by the probe .* 90 ms by the load client/);
    const refused = shortReport({ ...line, versionsAfter: line.versionsBefore }, compare(undefined, ledger(0), 10), 1_000).join(
      '\n',
    );
    expect(refused).toContain('17.9 on every node, as before');
    expect(refused).toMatch(/not measured by the product .* no gap above \d+ ms/);
  });
});
