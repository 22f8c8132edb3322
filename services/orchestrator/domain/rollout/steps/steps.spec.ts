import { describe, expect, it } from 'vitest';
import { activeSeen, at, nodeSeen, PAIR, plannedOf, seen, stateOf } from '../fixtures/contract.js';
import type { Goal, Observation } from '../observation.js';
import type { PlannedStep } from '../plan.js';
import type { Going } from '../state.js';
import { STEP_RULES } from './index.js';

const STATE = stateOf([{ type: 'RolloutPlanned', data: plannedOf() }]) as Going;
const step = (kind: PlannedStep['kind']): PlannedStep => {
  const found = STATE.plan.steps.find((candidate) => candidate.kind === kind && candidate.node !== 'a') as PlannedStep;
  return found;
};
const judge = (kind: PlannedStep['kind'], look: Partial<Observation>, state = STATE, about = step(kind)): Goal =>
  STEP_RULES[kind].goal({ at: at(5), ...look }, state, about);
const said = (goal: Goal): string => (goal.goal === 'met' ? 'met' : `${goal.goal}: ${goal.reason}`);

describe('every kind of step', () => {
  it('has its rules under its own name, and says nothing about what was not seen', () => {
    for (const [kind, rules] of Object.entries(STEP_RULES)) expect(rules.kind).toBe(kind);
    for (const kind of [
      'preflight',
      'start-probe',
      'stop-probe',
      'switchover',
      'validate',
      'drain',
      'patch',
      'reboot',
      'join',
      'soak',
      'release',
      'check',
      'postflight',
    ] as const) {
      expect([kind, judge(kind, {}).goal]).toEqual([kind, 'unclear']);
    }
  });

  it('about a node cannot be judged where the node is not told', () => {
    expect(said(judge('drain', { snapshot: seen([activeSeen('a')]) }))).toBe('unclear: The state of b could not be told.');
    expect(judge('drain', { snapshot: seen([activeSeen('a'), nodeSeen('b', { availability: 'unknown' })]) }).goal).toBe(
      'unclear',
    );
  });
});

describe('checks', () => {
  it('all passed, or the reasons; what could not be evaluated is never a yes', () => {
    const results = (...passed: (boolean | null)[]) =>
      passed.map((each, index) => ({
        check: `c${index}`,
        ...(index === 0 ? { node: 'b' } : {}),
        passed: each,
        detail: `d${index}`,
      }));
    expect(said(judge('preflight', { checks: [] }))).toBe('unclear: No check was evaluated.');
    expect(said(judge('preflight', { checks: results(true, true) }))).toBe('met');
    expect(said(judge('postflight', { checks: results(true, null) }))).toBe('unclear: Could not be evaluated: c1: d1');
    expect(said(judge('check', { checks: results(false, null) }))).toBe('unmet: c0 on b: d0');
  });

  it('a patched node must also run what was installed', () => {
    const checks = [{ check: 'serves', passed: true, detail: '' }];
    const patched = { ...STATE, patched: ['b'] };
    const running = (version: string | null) => ({
      checks,
      snapshot: seen([nodeSeen('b', { versions: { postgresql: { installed: '17.10', running: version } } })]),
    });
    expect(said(judge('validate', { checks, snapshot: PAIR }))).toBe('met');
    expect(said(judge('validate', running('17.10'), patched))).toBe('met');
    expect(said(judge('validate', running('17.9'), patched))).toBe('unmet: b runs postgresql 17.9, not 17.10.');
    expect(said(judge('validate', running(null), patched))).toBe('unmet: b runs postgresql nothing, not 17.10.');
    expect(said(judge('validate', { checks, snapshot: seen([nodeSeen('b', { versions: {} })]) }, patched))).toBe('met');
    expect(judge('validate', { checks: [{ check: 'serves', passed: false, detail: '' }] }, patched).goal).toBe('unmet');
  });
});

describe('the probe', () => {
  it('runs or does not', () => {
    const goals = (kind: 'start-probe' | 'stop-probe') =>
      (['running', 'ended', 'absent', 'unknown'] as const).map((probe) => judge(kind, { probe }).goal);
    expect(goals('start-probe')).toEqual(['met', 'unmet', 'unmet', 'unclear']);
    expect(goals('stop-probe')).toEqual(['unmet', 'met', 'met', 'unclear']);
  });
});

describe('a switchover', () => {
  it('is judged by who serves', () => {
    const goal = (...nodes: Parameters<typeof seen>[0]): string => said(judge('switchover', { snapshot: seen(nodes) }));
    expect(goal(nodeSeen('a'), activeSeen('b'))).toBe('met');
    expect(goal(activeSeen('a'), nodeSeen('b'))).toBe('unmet: a still serves.');
    expect(goal(nodeSeen('a'), nodeSeen('b'))).toBe('unmet: Nobody serves, and nothing was promoted.');
    expect(goal(activeSeen('a'), activeSeen('b'))).toBe('unclear: Several nodes accept writes: a, b.');
    expect(goal(nodeSeen('a', { writable: true }), nodeSeen('b'))).toBe('unclear: Roles and writability disagree.');
    expect(goal(nodeSeen('a', { writable: true }), activeSeen('b', { writable: false }))).toBe(
      'unclear: Roles and writability disagree.',
    );
    expect(said(judge('switchover', { snapshot: seen([], { complete: false }) }))).toBe(
      'unclear: Not every node could be told apart.',
    );
  });

  it('may still come while the platform has it in hand: where the old active serves, that is not the end of it', () => {
    const judged = (cause: 'asked' | 'deadline'): string =>
      said(
        judge('switchover', {
          snapshot: seen([activeSeen('a'), nodeSeen('b')]),
          performed: { status: 'unknown', cause, reason: 'no answer came' },
        }),
      );
    expect(judged('asked')).toBe('unclear: a still serves, and may be moved away from yet.');
    expect(judged('deadline')).toBe('unmet: a still serves.');
  });
});

describe('the other nodes of a switchover', () => {
  const about = step('switchover');
  const requested = (evidence: Record<string, unknown>): Going =>
    stateOf(
      [
        {
          type: 'StepRequested',
          data: {
            stepId: about.stepId,
            attempt: 1,
            key: 'k',
            ask: { ask: 'observe', look: 'snapshot' },
            deadlineAt: at(60),
            incarnation: 'i',
            at: at(1),
            evidence,
          },
        },
      ],
      STATE,
    ) as Going;
  const stopped = nodeSeen('a', { availability: 'down', joined: false });
  const lost = nodeSeen('c', { joined: false });

  it('are members again before it is done', () => {
    const goal = (...nodes: Parameters<typeof seen>[0]): string =>
      said(judge('switchover', { snapshot: seen(nodes) }, requested({ away: [] })));
    expect(goal(stopped, activeSeen('b'))).toBe('unmet: b serves, and does not feed a yet.');
    expect(goal(nodeSeen('a'), activeSeen('b'), lost)).toBe('unmet: b serves, and does not feed c yet.');
    expect(goal(nodeSeen('a'), activeSeen('b'), nodeSeen('c'))).toBe('met');
  });

  it('except those that were away before, or are out by a step that brings them back', () => {
    const snapshot = seen([nodeSeen('a'), activeSeen('b'), lost]);
    expect(judge('switchover', { snapshot }, requested({ away: ['c'] })).goal).toBe('met');
    expect(judge('switchover', { snapshot }, { ...requested({}), out: [{ node: 'c', stage: 'drained' }] }).goal).toBe('met');
    expect(judge('switchover', { snapshot }, requested({})).goal).toBe('unmet');
    expect(judge('switchover', { snapshot }, STATE, { ...about, stepId: '99-switchover-b' }).goal).toBe('unmet');
  });

  it('are remembered as they were before the first attempt', () => {
    const snapshot = seen([stopped, nodeSeen('b'), lost]);
    expect(STEP_RULES.switchover.remember?.(snapshot, about, null)).toEqual({ away: ['a', 'c'] });
    expect(STEP_RULES.switchover.remember?.(snapshot, about, { away: ['c'] })).toEqual({ away: ['c'] });
    expect(STEP_RULES.switchover.remember?.(snapshot, about, {})).toEqual({ away: ['a', 'c'] });
  });
});

describe('leaving and coming back', () => {
  it('is judged by what the platform says of the node', () => {
    const node = (more: Parameters<typeof nodeSeen>[1]) => ({ snapshot: seen([nodeSeen('b', more)]) });
    expect(said(judge('drain', node({ availability: 'drained', electable: false })))).toBe('met');
    expect(judge('drain', node({ availability: 'drained' })).goal).toBe('unmet');
    expect(judge('drain', node({})).goal).toBe('unmet');
    expect(said(judge('join', node({ electable: false })))).toBe('met');
    expect(judge('join', node({ availability: 'down' })).goal).toBe('unmet');
    expect(judge('join', node({ joined: false })).goal).toBe('unmet');
    const split = { snapshot: seen([activeSeen('a'), activeSeen('b')]) };
    expect(said(judge('join', split))).toContain('Several nodes accept writes: a, b.');
    expect(said(judge('release', node({})))).toBe('met');
    expect(judge('release', node({ electable: false })).goal).toBe('unmet');
    expect(judge('release', node({ joined: false })).goal).toBe('unmet');
  });
});

describe('patching', () => {
  const patch = (version: string | null, job: Observation['job'], rebootNeeded: boolean | null = false): string =>
    said(judge('patch', { ...(job === undefined ? {} : { job }), patch: { installed: { postgresql: version }, rebootNeeded } }));

  it('is judged by the installed version, never while the job may run', () => {
    expect(patch('17.10', { status: 'exited', code: 0, tail: 'done' })).toBe('met');
    expect(patch('17.11', { status: 'absent' })).toBe('met');
    expect(patch('17.9', { status: 'exited', code: 1 })).toBe('unmet: b has postgresql 17.9, not 17.10.');
    expect(patch(null, { status: 'lost' })).toBe('unmet: b has postgresql not installed, not 17.10.');
    expect(patch('17.10', { status: 'running' })).toBe('unclear: The job still runs.');
    expect(patch('17.10', { status: 'unknown' })).toBe('unclear: What became of the job could not be told.');
    expect(said(judge('patch', { job: { status: 'absent' } }))).toBe('unclear: The installed version could not be told.');
  });

  it('back is judged by exactly the version before', () => {
    const back = { ...step('patch'), kind: 'unpatch', toVersion: '17.9' } as const;
    const goal = (version: string): Goal['goal'] =>
      judge(
        'unpatch',
        { job: { status: 'absent' }, patch: { installed: { postgresql: version }, rebootNeeded: null } },
        STATE,
        back,
      ).goal;
    expect([goal('17.9'), goal('17.10'), goal('17.8')]).toEqual(['met', 'unmet', 'unmet']);
    expect(STEP_RULES.unpatch.ask(back, STATE, 0)).toMatchObject({ job: 'unpatch', previousVersion: '17.9' });
    expect(STEP_RULES.patch.ask(step('patch'), STATE, 0)).toMatchObject({ job: 'patch', previousVersion: '17.9' });
  });
});

describe('a patch job that nobody watches any more', () => {
  const about = step('patch');
  const begun = (bootId: string | null): Going =>
    stateOf(
      [
        {
          type: 'StepRequested',
          data: {
            stepId: about.stepId,
            attempt: 1,
            key: 'k',
            ask: { ask: 'observe', look: 'snapshot' },
            deadlineAt: at(60),
            incarnation: 'i',
            at: at(1),
            evidence: { bootId },
          },
        },
      ],
      STATE,
    ) as Going;
  const goal = (second: number, before: string | null, look: Partial<Observation>, version = '17.9'): string =>
    said(
      judge(
        'patch',
        { at: at(second), job: { status: 'lost' }, patch: { installed: { postgresql: version }, rebootNeeded: null }, ...look },
        begun(before),
        about,
      ),
    );
  const booted = (bootId: string | null) => ({ snapshot: seen([nodeSeen('b', { bootId })]) });
  const open = 'unclear: Nobody watches the job any more: until its limit it may still run.';

  it('may run until its limit, so nothing is begun beside it', () => {
    expect(goal(60, 'b-boot-1', booted('b-boot-1'))).toBe(open);
    expect(goal(60, 'b-boot-1', booted('b-boot-1'), '17.10')).toBe(open);
    expect(goal(60, null, booted('b-boot-1'))).toBe(open);
    expect(goal(60, 'b-boot-1', booted(null))).toBe(open);
    expect(goal(60, 'b-boot-1', {})).toBe(open);
    expect(goal(61, 'b-boot-1', booted('b-boot-1'))).toBe('unmet: b has postgresql 17.9, not 17.10.');
    expect(goal(61, 'b-boot-1', booted('b-boot-1'), '17.10')).toBe('met');
  });

  it('has ended with its host', () => {
    expect(goal(2, 'b-boot-1', booted('b-boot-2'))).toBe('unmet: b has postgresql 17.9, not 17.10.');
    expect(goal(2, 'b-boot-1', booted('b-boot-2'), '17.10')).toBe('met');
  });

  it('is remembered with the boot that it runs under', () => {
    expect(STEP_RULES.patch.remember?.(PAIR, about, null)).toEqual({ bootId: 'b-boot-1' });
    expect(STEP_RULES.unpatch.remember?.(seen([]), about, null)).toEqual({ bootId: null });
  });
});

describe('a reboot', () => {
  const reboot = step('reboot');
  const begun = (bootId: string | null): Going =>
    stateOf(
      [
        {
          type: 'StepRequested',
          data: {
            stepId: reboot.stepId,
            attempt: 1,
            key: 'k',
            ask: { ask: 'observe', look: 'snapshot' },
            deadlineAt: at(60),
            incarnation: 'i',
            at: at(1),
            evidence: { bootId },
          },
        },
      ],
      STATE,
    ) as Going;
  const goal = (more: Parameters<typeof nodeSeen>[1], job?: Observation['job'], before: string | null = 'b-boot-1'): string =>
    said(
      judge(
        'reboot',
        { snapshot: seen([nodeSeen('b', { availability: 'drained', ...more })]), ...(job === undefined ? {} : { job }) },
        begun(before),
      ),
    );

  it('is done when the host runs under another boot id', () => {
    expect(goal({ bootId: 'b-boot-2' })).toBe('met');
    expect(goal({ reachable: false })).toBe('unclear: host-b does not answer yet.');
    expect(goal({ bootId: null })).toBe('unclear: host-b does not answer yet.');
    expect(goal({})).toBe('unclear: host-b has not rebooted yet.');
    expect(goal({}, { status: 'running' })).toBe('unclear: host-b has not rebooted yet.');
    expect(goal({}, { status: 'exited', code: 1 })).toBe('unmet: host-b has not rebooted.');
    expect(goal({}, { status: 'exited' })).toBe('unmet: host-b has not rebooted.');
    expect(goal({}, { status: 'exited', code: 143 }), 'the host goes down, and ends the job').toBe(
      'unclear: host-b has not rebooted yet.',
    );
    expect(goal({}, { status: 'absent' })).toBe('unmet: host-b has not rebooted.');
    expect(goal({ bootId: 'b-boot-2' }, undefined, null)).toBe('unclear: host-b has not rebooted yet.');
    expect(judge('reboot', { snapshot: PAIR }).goal).toBe('unclear');
  });

  it('remembers the boot id before', () => {
    expect(STEP_RULES.reboot.remember?.(PAIR, reboot, null)).toEqual({ bootId: 'b-boot-1' });
    expect(STEP_RULES.reboot.remember?.(seen([]), reboot, null)).toEqual({ bootId: null });
  });
});

describe('soaking and pausing', () => {
  const soak = step('soak');
  const soaking = stateOf(
    [
      {
        type: 'StepRequested',
        data: {
          stepId: soak.stepId,
          attempt: 1,
          key: 'k',
          ask: { ask: 'waitUntil', at: at(9) },
          deadlineAt: at(60),
          incarnation: 'i',
          at: at(1),
          evidence: {},
        },
      },
    ],
    STATE,
  ) as Going;

  it('takes its time, and the node stays a healthy member', () => {
    expect(STEP_RULES.soak.ask(soak, STATE, Date.parse(at(8)))).toEqual({ ask: 'waitUntil', at: at(9) });
    expect(said(judge('soak', { snapshot: PAIR }, soaking))).toBe(`unclear: Soaks until ${at(9)}.`);
    expect(said(judge('soak', { at: at(9), snapshot: PAIR }, soaking))).toBe('met');
    const fallen = (more: Parameters<typeof nodeSeen>[1]) =>
      judge('soak', { snapshot: seen([nodeSeen('b', more)]) }, soaking).goal;
    expect([fallen({ joined: false }), fallen({ availability: 'down' })]).toEqual(['unmet', 'unmet']);
    expect(judge('soak', { snapshot: PAIR }).goal).toBe('unclear');
  });

  it('a pause is a hold and nothing else', () => {
    expect(STEP_RULES.pause.ask(soak, STATE, Date.parse(at(8)))).toEqual({ ask: 'waitUntil', at: at(8) });
    expect(STEP_RULES.pause.goal({ at: at(8) }, STATE, soak)).toEqual({ goal: 'met', evidence: { at: at(8) } });
  });
});
