import { describe, expect, it } from 'vitest';
import type { LedgerEntry } from '../load/gaps.js';
import { latentFaults } from '../pair/index.js';
import type { RecordedEvent } from '../rest/documents.js';
import { movedAfterTest } from './bad-patch.js';
import { notTakenOver } from './crash.js';
import { draw } from './drift.js';
import { downtimeLines } from './hypervisor.js';
import { scenarios } from './index.js';
import { notRunning } from './scenario.js';

describe('the drift scenario’s draw', () => {
  it('is the same for the same seed, and a named fault keeps the drawn node', () => {
    const drawn = draw(42, ['b', 'c'], undefined);
    expect(draw(42, ['b', 'c'], undefined)).toEqual(drawn);
    expect(draw(42, ['b', 'c'], 'authentication')).toEqual({ fault: 'authentication', node: drawn.node });
  });

  it('reaches every fault on every standby', () => {
    const seen = new Set(Array.from({ length: 500 }, (_, seed) => JSON.stringify(draw(seed, ['b', 'c'], undefined))));
    expect(seen.size).toBe(latentFaults.length * 2);
  });

  it('needs a standby', () => {
    expect(() => draw(1, [], undefined)).toThrow(/no standby/);
  });
});

describe('the crash scenario’s check', () => {
  const event = (version: number, type: string): RecordedEvent => ({
    position: version,
    version,
    type,
    time: '2026-01-01T00:00:00.000Z',
    body: type.startsWith('Step') ? { stepId: '06-patch-b' } : {},
  });

  it('accepts a rollout that was taken over while its patch was open', () => {
    expect(
      notTakenOver([
        event(1, 'RolloutAdopted'),
        event(2, 'StepRequested'),
        event(3, 'RolloutAdopted'),
        event(4, 'StepSucceeded'),
      ]),
    ).toEqual([]);
  });

  it('finds a patch that was over before, one that never succeeded, and one that was not asked for', () => {
    expect(notTakenOver([event(1, 'StepRequested'), event(2, 'StepSucceeded'), event(3, 'RolloutAdopted')])).toEqual([
      expect.stringMatching(/Nobody took .* over while 06-patch-b was open/),
    ]);
    const failed = [event(1, 'StepRequested'), event(2, 'RolloutAdopted'), event(3, 'StepFailed')];
    expect(notTakenOver(failed)).toEqual(['06-patch-b succeeded 0 times.']);
    expect(notTakenOver([])).toHaveLength(1);
  });
});

describe('the bad-patch scenario’s check', () => {
  const event = (version: number, stepId: string, time: string): RecordedEvent => ({
    position: version,
    version,
    type: 'StepRequested',
    time,
    body: { stepId },
  });
  const drained = event(7, '05-drain-b', '2026-01-01T00:00:10.000Z');
  const ack = (node: string, second: number): LedgerEntry => ({
    kind: 'ack',
    n: second,
    node,
    at: Date.parse('2026-01-01T00:00:00.000Z') + second * 1000,
    tookMs: 1,
  });

  it('accepts a workload that moved in the test and stayed afterwards', () => {
    expect(
      movedAfterTest(
        [event(3, '02-switchover-b', '2026-01-01T00:00:02.000Z'), drained],
        [ack('a', 1), ack('b', 3), ack('a', 8), ack('a', 11)],
      ),
    ).toEqual([]);
  });

  it('finds a move afterwards in the ledger and in the log', () => {
    const moved = movedAfterTest(
      [drained, event(9, '07-switchover-b', '2026-01-01T00:00:12.000Z')],
      [ack('a', 11), ack('b', 13)],
    );
    expect(moved).toHaveLength(2);
  });

  it('finds that the bad release was never tried', () => {
    expect(movedAfterTest([], [])).toEqual(['No standby was ever drained, so the bad release was never tried.']);
  });
});

describe('every scenario', () => {
  it.each(Object.entries(scenarios))('%s is what its name says and says what it expects', (name, make) => {
    const scenario = make();
    expect(scenario.name).toBe(name);
    expect(scenario.headline.length).toBeGreaterThan(20);
    expect(['succeeded', 'rolled-back', 'refused']).toContain(scenario.expectedResult);
  });

  it('names the nodes that run something else', () => {
    expect(notRunning({ a: '17.10', b: '17.9', c: null }, '17.10')).toEqual([
      'b runs 17.9 and should run 17.10.',
      'c runs nothing and should run 17.10.',
    ]);
  });

  it('prints a downtime plan with the source of each figure', () => {
    const plan = {
      reason: 'no standby',
      steps: [{ what: 'stop', estimatedMs: 2_000, source: 'playbook', serviceDown: true }],
      estimatedDowntimeMs: 2_000,
      whyNotLess: 'one node',
    };
    const text = downtimeLines(plan).join('\n');
    for (const part of ['no standby', 'stop', '2.0 s', ' down ', 'playbook', 'why not less: one node'])
      expect(text).toContain(part);
  });
});
