import { describe, expect, it } from 'vitest';
import { ADA, at, CLOSED, codesOf, drive, eventsOf, PLANNED, plannedOf, stateOf, T0, typesOf } from './fixtures/contract.js';
import { reportOf } from './report.js';
import type { RolloutCommand, RolloutEvent } from './rollout.js';
import { nextMove } from './runner.js';

const BEGIN: RolloutCommand = { type: 'Begin', wave: 2, at: at(30) };
const IN_WAVE: RolloutEvent = { type: 'RolloutPlanned', data: plannedOf({ wave: 2 }) };
const ADOPTED: RolloutEvent = { type: 'RolloutAdopted', data: { instance: 'i', incarnation: 'me', at: at(0) } };
const MEMORY = { incarnation: 'me', performed: null, observation: null, gatesEvaluatedAtMs: null, nextRequestId: 'q-1' };

describe('a rollout of a wave', () => {
  it('does not begin when the window opens, but when its wave does', () => {
    const waiting = stateOf([IN_WAVE, ADOPTED]);
    expect(nextMove(waiting, MEMORY, T0 + 20_000)).toEqual({ move: 'wait', because: 'Its wave has not begun.' });
    const begun = stateOf(eventsOf(BEGIN, waiting), waiting);
    expect(begun.begun).toEqual({ wave: 2, at: at(30) });
    expect(nextMove(begun, MEMORY, T0 + 30_000)).toMatchObject({ move: 'command', command: { type: 'RequestDriftAssessment' } });
    expect(reportOf([IN_WAVE, ...eventsOf(BEGIN, waiting)])?.story.at(-1)?.what).toBe('Begun with wave 2 of its window.');
  });

  it('is told once; a hold of its own stays', () => {
    const begun = stateOf(eventsOf(BEGIN, stateOf([IN_WAVE])), stateOf([IN_WAVE]));
    expect(typesOf(BEGIN, begun)).toEqual([]);
    const held = stateOf([IN_WAVE, ...eventsOf({ type: 'Hold', by: ADA, reason: 'wait', at: at(1) }, stateOf([IN_WAVE]))]);
    expect(typesOf(BEGIN, held)).toEqual(['RolloutBegun']);
    expect(stateOf(eventsOf(BEGIN, held), held).status).toBe('held');
    expect(codesOf(BEGIN, stateOf([PLANNED, CLOSED]))).toEqual(['ROLLOUT_CLOSED']);
  });

  it('without a plan is refused before its wave begins: its reasons are there for a person to read', () => {
    const none = stateOf([{ type: 'RolloutPlanned', data: plannedOf({ wave: 2, plan: null, noPlanBecause: 'alone' }) }, ADOPTED]);
    expect(nextMove(none, MEMORY, T0)).toMatchObject({ move: 'evaluate-gates' });
  });

  it('that was planned before there were waves begins with the window', () => {
    expect(drive({ planned: plannedOf() }).state.closed?.result).toBe('succeeded');
  });
});
