import { describe, expect, it } from 'vitest';
import { accept, fold, refuse } from './index.js';

const counter = {
  initial: 0,
  evolve: (state: number, event: { by: number }): number => state + event.by,
};

describe('decider', () => {
  it('folds facts oldest first, from the initial state or a given one', () => {
    expect(fold(counter, [{ by: 1 }, { by: 2 }])).toBe(3);
    expect(fold(counter, [{ by: 1 }], 41)).toBe(42);
  });

  it('carries facts or reasons, never both', () => {
    expect(accept({ by: 1 })).toEqual({ accepted: true, events: [{ by: 1 }] });
    const reason = { pointer: '', code: 'CLOSED', detail: 'It is closed.' };
    expect(refuse('conflict', reason)).toEqual({ accepted: false, kind: 'conflict', refusals: [reason] });
  });
});
