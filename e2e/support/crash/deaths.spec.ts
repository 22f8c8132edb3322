import { describe, expect, it } from 'vitest';
import type { Cell, Victim } from './cells.js';
import { killOf } from './deaths.js';

const cell: Cell = { id: 'happy before-act-sent standby drain-b', place: 'before-act-sent', at: 'standby/drain-b' };

describe.each<[Victim, string]>([
  ['orchestrator', 'The product'],
  ['store', 'The store'],
])('a death of the %s', (victim, who) => {
  it('counts when a place was written and it died of signal 9', () => {
    expect(killOf(victim, { pid: 7, signal: 'SIGKILL', code: null }, cell)).toEqual({ cell, pid: 7 });
  });

  it('does not count when no place was written: somebody else killed it', () => {
    const why = `${who} (process 7) ended by itself (SIGKILL): no place was written.`;
    expect(killOf(victim, { pid: 7, signal: 'SIGKILL', code: null }, undefined)).toBe(why);
  });

  it.each([
    ['another signal', 'SIGTERM', null, 'SIGTERM'],
    ['an exit of its own', null, 1, 'exit code 1'],
    ['an end that nobody saw', null, null, 'nobody saw how'],
  ])('does not count for %s', (_, signal, code, how) => {
    const why = `${who} (process 7) was to be killed at ${cell.id}, and did not die of signal 9 (${how}).`;
    expect(killOf(victim, { pid: 7, signal, code }, cell)).toBe(why);
  });
});
