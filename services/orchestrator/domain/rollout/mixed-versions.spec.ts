import { describe, expect, it } from 'vitest';
import {
  ADMITTED,
  at,
  drive,
  eventsOf,
  HELD,
  inputsOf,
  of,
  once,
  outcome,
  PAIR,
  PLANNED,
  request,
  RUNNING,
  stateOf,
  T0,
  withPlaybook,
} from './fixtures/contract.js';
import { evaluateGate } from './gates.js';
import { escalationDueMs, MIXED_VERSIONS_MAX_MS, MOST_ESCALATIONS } from './mixed-versions.js';
import { reportOf } from './report.js';
import type { RolloutEvent, RolloutState } from './rollout.js';
import { nextMove } from './runner.js';
import type { Known } from './state.js';

const LIMIT_MS = MIXED_VERSIONS_MAX_MS.practice;
const runs = (node: string, version: string | null, seconds: number, more: object = {}): RolloutEvent => ({
  type: 'StepSucceeded',
  data: {
    stepId: '10-join-b',
    attempt: 1,
    at: at(seconds),
    evidence: { node, running: { postgresql: version, kernel: '6.1' }, ...more },
    adopted: false,
  },
});
const both = (a: string, b: string): RolloutEvent => ({
  type: 'GateEvaluated',
  data: {
    ...evaluateGate('topology', stateOf([PLANNED]) as Known, inputsOf(PAIR), at(0)),
    evidence: { versions: { a: { postgresql: a }, b: { postgresql: b } } },
  },
});
const mixed = (...events: readonly RolloutEvent[]): Known =>
  stateOf([both('17.9', '17.9'), ADMITTED, ...events], RUNNING) as Known;
const memory = { incarnation: 'i-1', performed: null, observation: null, gatesEvaluatedAtMs: null, nextRequestId: 'q-1' };
const inSeconds = (seconds: number): number => T0 + seconds * 1_000;

describe('the mixed-version clock', () => {
  it('runs from the first node that runs another version until all agree again', () => {
    expect(mixed().mixed).toBeNull();
    const one = mixed(runs('b', '17.10', 60));
    expect(one.mixed).toEqual({ since: at(60), until: null, escalations: 0 });
    expect(one.running).toEqual({ a: { postgresql: '17.9' }, b: { postgresql: '17.10' } });
    const down = stateOf([runs('a', null, 90)], one);
    expect(down.mixed).toEqual(one.mixed);
    const agreed = stateOf([runs('a', '17.10', 120)], down);
    expect(agreed.mixed).toEqual({ since: at(60), until: at(120), escalations: 0 });
    expect(stateOf([runs('b', '17.10', 130)], agreed).mixed).toEqual(agreed.mixed);
    expect(stateOf([runs('b', '17.9', 140)], agreed).mixed).toEqual({ since: at(140), until: null, escalations: 0 });
  });

  it('runs from the admission where the nodes differed before, and says nothing on what tells no version', () => {
    expect(stateOf([both('17.9', '17.10'), ADMITTED], RUNNING).mixed).toMatchObject({ since: at(0) });
    expect(mixed(runs('b', null, 5, { node: undefined })).mixed).toBeNull();
    expect(mixed(runs('b', null, 5, { running: undefined })).mixed).toBeNull();
    expect(mixed(runs('b', null, 5, { running: 'what?' })).mixed).toBeNull();
  });

  it('ends with what the close shows', () => {
    const closing = drive();
    expect(closing.state.mixed).toMatchObject({ until: expect.any(String), escalations: 0 });
    expect(reportOf(closing.log)?.mixedVersions).toEqual(closing.state.mixed);
  });

  it('escalates at its limit, and again whenever the time has doubled, a bounded number of times', () => {
    let state: RolloutState = mixed(runs('b', '17.10', 0));
    expect(eventsOf({ type: 'EscalateMixedVersions', incarnation: 'i-1', at: at(1) }, state)).toEqual([]);
    for (let times = 1; times <= MOST_ESCALATIONS; times += 1) {
      const dueMs = escalationDueMs(state as Known) ?? 0;
      expect(dueMs).toBe(T0 + LIMIT_MS * 2 ** (times - 1));
      const move = nextMove(state, memory, dueMs);
      expect(move).toMatchObject({ move: 'command', command: { type: 'EscalateMixedVersions' } });
      if (move.move !== 'command') return;
      const events = eventsOf(move.command, state);
      expect(events).toMatchObject([
        {
          type: 'MixedVersionsEscalated',
          data: { since: at(0), times, limitMs: LIMIT_MS, detail: expect.stringContaining('b postgresql 17.10') },
        },
      ]);
      state = stateOf(events, state);
    }
    expect(escalationDueMs(state as Known)).toBeNull();
    expect(eventsOf({ type: 'EscalateMixedVersions', incarnation: 'i-1', at: at(9e9) }, state)).toEqual([]);
    expect(eventsOf({ type: 'EscalateMixedVersions', incarnation: 'i-1', at: at(9e9) }, mixed())).toEqual([]);
  });

  it('goes on while a person holds: the wait has an end', () => {
    const held = stateOf([HELD], mixed(runs('b', '17.10', 10)));
    expect(nextMove(held, memory, inSeconds(20))).toMatchObject({ move: 'wait', untilMs: inSeconds(10) + LIMIT_MS });
    expect(nextMove(held, memory, inSeconds(10) + LIMIT_MS)).toMatchObject({ command: { type: 'EscalateMixedVersions' } });
  });

  it('shortens a sleep that would pass it, and leaves everything else alone', () => {
    const slow = withPlaybook({ mixedVersionsMaxMs: 600 });
    const owner = drive({ planned: slow });
    expect(of(owner, 'MixedVersionsEscalated').length).toBeGreaterThan(0);
    expect(owner.state.closed?.result).toBe('succeeded');
    const sleeping = stateOf(eventsOf(request('01-start-probe'), RUNNING), RUNNING);
    const late = stateOf(
      [
        both('17.9', '17.10'),
        ADMITTED,
        ...eventsOf(outcome('01-start-probe', { outcome: 'failed', mayRepeat: true, at: at(600 - 0.1) }), sleeping),
      ],
      sleeping,
    );
    const early = nextMove(late, memory, inSeconds(599.95));
    expect(early).toMatchObject({ move: 'sleep', untilMs: inSeconds(600) });
    expect(nextMove(stateOf([both('17.9', '17.9')], sleeping), memory, inSeconds(1)).move).toBe('perform');
  });

  it('is nothing any more once the rollout has ended', () => {
    const owner = drive({
      before: once(
        (stepId, move) => stepId === '12-soak-b' && move === 'perform',
        (one) => one.give({ type: 'Abort', by: { subject: 'ada', role: 'operator' }, reason: 'enough', at: at(9) }),
      ),
    });
    expect(owner.state).toMatchObject({ status: 'closed', mixed: { until: null } });
    expect(nextMove(owner.state, { ...memory, incarnation: 'i-1' }, T0 + 9e9).move).toBe('wait');
  });
});
