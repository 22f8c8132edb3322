import { describe, expect, it } from 'vitest';
import { drive } from './fixtures/contract.js';
import { LOOK_AGAIN_MIN_MS, nextMove } from './runner.js';
import { isoOf } from './time.js';

const HOUR_MS = 3_600_000;

describe('a look from before what was recorded last', () => {
  it('is repeated at a pace, however far ahead the recorded time is: before a step, after one, and at the end', () => {
    const died = new Set<string>();
    const answers = new Map<string, string>();
    const owner = drive({
      before: (move, { state, world, incarnation }) => {
        // Whoever takes over looks at what is open first.
        if (move.move === 'perform' && !died.has(move.requested.key)) {
          died.add(move.requested.key);
          return 'crash-after';
        }
        if (move.move !== 'observe') return undefined;
        const key = move.requested?.key;
        const made = { forStep: key ?? move.step.stepId, observation: { at: isoOf(world.nowMs) } };
        const memory = {
          incarnation: `i-${incarnation}`,
          performed: key === undefined ? null : { key },
          gatesEvaluatedAtMs: world.nowMs,
          nextRequestId: 'q',
        };
        const ahead = { ...state, lookAfter: isoOf(world.nowMs + HOUR_MS) };
        const next = nextMove(ahead, { ...memory, observation: made }, world.nowMs);
        const paused = next.move === 'sleep' && next.untilMs === world.nowMs + LOOK_AGAIN_MIN_MS;
        answers.set(made.forStep, paused ? 'paused' : next.move);
        expect(nextMove(ahead, { ...memory, observation: made }, world.nowMs + LOOK_AGAIN_MIN_MS).move).toBe('observe');
        expect(nextMove(ahead, { ...memory, observation: null }, world.nowMs).move).toBe('observe');
        return undefined;
      },
    });
    expect(owner.state.closed?.result).toBe('succeeded');
    expect([...answers].filter(([, answer]) => answer !== 'paused')).toEqual([]);
    const purposes = [...answers.keys()];
    expect(purposes).toEqual(expect.arrayContaining(['08-patch-b', '25-stop-probe']));
    expect(purposes.some((purpose) => purpose.includes('08-patch-b/'))).toBe(true);
  });
});
