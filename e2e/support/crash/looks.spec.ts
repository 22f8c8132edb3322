import { describe, expect, it } from 'vitest';
import { lookProblems, seenIn, switchoversOf, type Look, type Said } from './looks.js';

const NODES = ['a', 'b'];
const EVERY_MS = 100;

/** One look after the other, each with what `a` and `b` said. */
function looks(times: number, a: Said, b: Said, fromMs = 0): readonly Look[] {
  return Array.from({ length: times }, (_, index) => {
    const atMs = fromMs + index * EVERY_MS;
    return { fromMs: atMs, toMs: atMs + 5, said: { a, b }, two: a === 'writes' && b === 'writes' ? NODES : [] };
  });
}

function problemsOf(seen: readonly Look[], switchovers: Parameters<typeof seenIn>[1] = []): readonly string[] {
  return lookProblems(seenIn(seen, switchovers), NODES);
}

describe('the looks at a window', () => {
  it('say that one node accepted writes where one did in all of them', () => {
    const seen = looks(200, 'writes', 'reads');
    expect(problemsOf(seen)).toEqual([]);
    expect(seenIn(seen, [])).toEqual({
      ...{ looks: 200, answered: { a: 200, b: 200 }, calm: 200, calmWithWriter: 200 },
      twoAtOnce: [],
    });
  });

  it('say nothing about a node that could not be asked', () => {
    expect(problemsOf(looks(200, 'writes', 'silent'))).toEqual(['b answered 0 looks, and not 100.']);
    expect(problemsOf(looks(200, 'silent', 'silent'))).toEqual([
      'a answered 0 looks, and not 100.',
      'b answered 0 looks, and not 100.',
      'In 200 of 200 looks outside of switchovers no node accepted writes.',
    ]);
  });

  it('say nothing where there were none', () => {
    expect(problemsOf([])).toHaveLength(3);
  });

  it('do not take a pair without a writer for a good one', () => {
    expect(problemsOf([...looks(180, 'writes', 'reads'), ...looks(20, 'reads', 'reads', 18_000)])).toEqual([
      'In 20 of 200 looks outside of switchovers no node accepted writes.',
    ]);
  });

  it('expect no writer while a switchover is under way', () => {
    const seen = [
      ...looks(180, 'writes', 'reads'),
      ...looks(20, 'silent', 'reads', 18_000),
      ...looks(180, 'reads', 'writes', 20_000),
    ];
    expect(problemsOf(seen, [{ fromMs: 18_000, toMs: 19_999 }])).toEqual([]);
    expect(seenIn(seen, [{ fromMs: 18_000, toMs: 19_999 }])).toMatchObject({ looks: 380, calm: 360, calmWithWriter: 360 });
  });

  it('are not excused by a switchover that never ended', () => {
    expect(problemsOf(looks(200, 'writes', 'reads'), [{ fromMs: 0, toMs: 60_000 }])).toContain(
      'There were 0 looks outside of switchovers, and not 100.',
    );
  });

  it('find two that accept writes at once, also during a switchover', () => {
    const seen = [...looks(200, 'writes', 'reads'), ...looks(1, 'writes', 'writes', 20_000)];
    expect(problemsOf(seen, [{ fromMs: 19_000, toMs: 21_000 }])).toEqual([
      'Two nodes accepted writes: a and b at 1970-01-01T00:00:20.000Z.',
    ]);
  });
});

describe('the time of a switchover', () => {
  const at = (type: string, second: number, stepId: string): Parameters<typeof switchoversOf>[0][number] => ({
    ...{ type, time: new Date(second * 1_000).toISOString(), body: { stepId } },
  });

  it('goes from its first request to its last outcome, over all attempts', () => {
    const events = [
      at('StepRequested', 1, '03-switchover-b'),
      at('StepUnknown', 5, '03-switchover-b'),
      at('StepRequested', 6, '03-switchover-b'),
      at('StepSucceeded', 9, '03-switchover-b'),
      at('StepRequested', 10, '04-drain-b'),
      at('StepRequested', 20, '09-switchover-a'),
      at('StepSucceeded', 21, '09-switchover-a'),
    ];
    expect(switchoversOf(events)).toEqual([
      { fromMs: 1_000, toMs: 9_000 },
      { fromMs: 20_000, toMs: 21_000 },
    ]);
  });
});
