import { describe, expect, it } from 'vitest';
import {
  at,
  definitionOf,
  inputsOf,
  nodeSeen,
  activeSeen,
  Owner,
  plannedOf,
  planOf,
  PLAYBOOK,
  seen,
  stateOf,
  T0,
  World,
  type DriveOptions,
} from './fixtures/contract.js';
import type { RunnerMemory } from './move.js';
import type { RolloutEvent, RolloutPlanned } from './rollout.js';
import { nextMove } from './runner.js';
import { INITIAL } from './state.js';
import { isoOf } from './time.js';

const ADA = { subject: 'ada', role: 'operator' } as const;

function drive(options: Partial<DriveOptions> = {}): Owner {
  const owner = new Owner({ world: new World(2), planned: plannedOf(), ...options });
  owner.run();
  return owner;
}

function of<T extends RolloutEvent['type']>(owner: Owner, type: T): Extract<RolloutEvent, { type: T }>['data'][] {
  return owner.log.flatMap((event) => (event.type === type ? [event.data as Extract<RolloutEvent, { type: T }>['data']] : []));
}

function withPlaybook(change: Partial<typeof PLAYBOOK>, more: Partial<RolloutPlanned> = {}): RolloutPlanned {
  const playbook = { ...PLAYBOOK, ...change };
  return plannedOf({ playbook, plan: planOf({ playbook }), ...more });
}

/** Appends once, before the first move that the predicate names. */
function once(when: (stepId: string, move: string) => boolean, act: (owner: Owner) => void): DriveOptions['before'] {
  let done = false;
  return (move, owner) => {
    const stepId =
      'step' in move ? move.step.stepId : move.move === 'command' && 'stepId' in move.command ? move.command.stepId : '';
    if (done || !when(stepId ?? '', move.move === 'command' ? move.command.type : move.move)) return undefined;
    done = true;
    act(owner);
    return undefined;
  };
}

describe('a whole rollout of a pair', () => {
  it('goes from the first gate to succeeded, standby first', () => {
    const owner = drive();
    expect(owner.state.closed).toMatchObject({
      result: 'succeeded',
      remains: [],
      versions: { a: { postgresql: '17.10' }, b: { postgresql: '17.10' } },
      hosts: ['host-a', 'host-b'],
      interruption: { measured: true, lostWrites: 0 },
    });
    expect(owner.outcomes()).toEqual([
      '01-start-probe', '02-preflight', '03-switchover-b', '04-validate-b', '05-switchover-a', '06-validate-a',
      '07-drain-b', '08-patch-b', '09-reboot-b skipped', '10-join-b', '11-validate-b', '12-soak-b', '13-release-b',
      '14-switchover-b', '15-validate-b', '16-check-orders', '17-soak-b',
      '18-drain-a', '19-patch-a', '20-reboot-a skipped', '21-join-a', '22-validate-a', '23-release-a',
      '24-postflight', '25-stop-probe',
    ]); // prettier-ignore
    expect(of(owner, 'RolloutAdmitted')[0]?.acceptedRisks).toHaveLength(1);
  });

  it('reboots where the patch source says that it is needed', () => {
    const world = new World(2);
    world.node('b').rebootNeeded = true;
    const owner = drive({ world });
    expect(owner.state.closed?.result).toBe('succeeded');
    expect(owner.outcomes()).toContain('09-reboot-b');
    expect(world.node('b').boots).toBe(2);
  });

  it('patches every standby before the switchover, the best candidate last, and says so for three nodes', () => {
    const world = new World(3);
    const snapshot = world.snapshot();
    const plan = planOf({ cluster: definitionOf(3), snapshot });
    const owner = drive({ world, planned: plannedOf({ cluster: definitionOf(3), plan }) });
    expect(owner.state.closed?.result).toBe('succeeded');
    expect(owner.log.filter((event) => event.type === 'RolloutAdmitted')[0]?.data).toMatchObject({ acceptedRisks: [] });
    const patched = owner.outcomes().filter((outcome) => /-(patch|switchover)-/.test(outcome));
    expect(patched.map((outcome) => outcome.slice(3))).toEqual([
      'switchover-c',
      'switchover-a',
      'patch-b',
      'patch-c',
      'switchover-c',
      'patch-a',
    ]);
  });

  it('waits for the window to open, and does nothing for a rollout that it does not own or that is not there', () => {
    const owner = drive({ planned: plannedOf({ opensAt: at(10) }) });
    expect(owner.moves[0]).toEqual({ move: 'sleep', untilMs: T0 + 10_000, because: 'The window has not opened.' });
    expect(owner.state.closed?.result).toBe('succeeded');
  });

  it('a test with an unexpired result for the same topology is skipped as a whole', () => {
    const switchoverResult = {
      rolloutId: 'r-0',
      fingerprint: 'fp-1',
      at: at(-900),
      expiresAt: at(900),
      longestInterruptionMs: 90,
    };
    const owner = drive({ planned: plannedOf({ switchoverResult }) });
    expect(owner.state.closed?.result).toBe('succeeded');
    expect(owner.outcomes().slice(2, 6)).toEqual([
      '03-switchover-b skipped',
      '04-validate-b skipped',
      '05-switchover-a skipped',
      '06-validate-a skipped',
    ]);
  });

  it('a result for another topology stands for nothing: the test is done', () => {
    const switchoverResult = {
      rolloutId: 'r-0',
      fingerprint: 'fp-0',
      at: at(-900),
      expiresAt: at(900),
      longestInterruptionMs: 90,
    };
    expect(drive({ planned: plannedOf({ switchoverResult }) }).outcomes()[2]).toBe('03-switchover-b');
  });

  it('a test that stays on the target makes that node the original of the patching', () => {
    const phases = { ...PLAYBOOK.phases, switchoverTest: { enabled: true, andBack: false } };
    const owner = drive({ planned: withPlaybook({ phases }) });
    expect(owner.state.held).toBeNull();
    expect(owner.state.closed?.result).toBe('succeeded');
    expect(owner.state.originalActive).toBe('b');
    expect(owner.outcomes().filter((outcome) => outcome.includes('-patch-'))).toEqual(['06-patch-a', '17-patch-b']);
  });

  it('fails back where the playbook asks for it', () => {
    const phases = { ...PLAYBOOK.phases, failback: { enabled: true } };
    const owner = drive({ planned: withPlaybook({ phases }) });
    expect(owner.state.closed?.result).toBe('succeeded');
    expect(owner.state.serving).toBe('a');
  });

  it('a switchover test of its own succeeds by its measured result', () => {
    const owner = drive({ planned: plannedOf({ kind: 'switchover-test', plan: planOf({ kind: 'switchover-test' }) }) });
    expect(owner.state.closed).toMatchObject({ result: 'succeeded', versions: { a: { postgresql: '17.9' } } });
    expect(owner.outcomes().some((outcome) => outcome.includes('patch'))).toBe(false);
  });

  it('a test that interrupts longer than the budget ends the rollout as failed, with nothing touched', () => {
    const world = new World(2);
    world.longestMs = 6_000;
    const owner = drive({ world });
    expect(owner.state.closed).toMatchObject({
      result: 'failed',
      reason: '03-switchover-b interrupted clients for 6000 ms, the budget is 5000 ms.',
    });
    expect(world.node('b').installed).toBe('17.9');
  });

  it('passes the point of no return with the switchover that the plan names', () => {
    const plan = planOf({ versionPairs: { postgresql: { allowed: true, wayBack: 'none', reason: 'the catalogue changes' } } });
    const owner = drive({ planned: plannedOf({ plan }) });
    expect(of(owner, 'PointOfNoReturnPassed')).toMatchObject([{ stepId: '14-switchover-b' }]);
  });
});

describe('gates that wait', () => {
  const finding = {
    findingId: 'f',
    node: 'b',
    area: 'setting',
    name: 'max_connections',
    value: '50',
    expected: '100',
    detail: 'lower than the active',
  };

  it('asks again after blocking drift, and goes on once it is mended', () => {
    const mendedAtMs = T0 + 5_000;
    const owner = drive({
      drift: (requestId, world) => ({
        type: 'RecordDriftAssessment',
        at: isoOf(world.nowMs),
        assessment: {
          requestId,
          assessedAt: isoOf(world.nowMs),
          blocking: world.nowMs < mendedAtMs ? [finding] : [],
          warnings: 1,
          waived: 0,
          incomplete: [],
        },
      }),
    });
    expect(owner.state.closed?.result).toBe('succeeded');
    const drift = of(owner, 'GateEvaluated').filter((gate) => gate.gate === 'drift');
    expect(drift[0]).toMatchObject({
      status: 'closed',
      reason: 'Blocking drift: b: max_connections is 50, expected 100 (lower than the active).',
    });
    expect(drift.at(-1)?.status).toBe('open');
  });

  it('is refused when the last safe start has passed and drift still blocks', () => {
    const owner = drive({
      planned: plannedOf({ closesAt: at(150) }),
      drift: (requestId, world) => ({
        type: 'RecordDriftAssessment',
        at: isoOf(world.nowMs),
        assessment: { requestId, assessedAt: isoOf(world.nowMs), blocking: [finding], warnings: 0, waived: 0, incomplete: [] },
      }),
    });
    expect(owner.state.closed?.result).toBe('refused');
    expect(owner.state.closed?.reason).toContain('too short for the way there and back');
    expect(owner.world.journal).toEqual([]);
  });

  it('an answer that never comes is asked for again after its deadline', () => {
    let asked = 0;
    const owner = drive({
      drift: (requestId, world) => ({
        type: 'RecordDriftAssessment',
        at: isoOf(world.nowMs),
        assessment: {
          requestId: ++asked === 1 ? 'another' : requestId,
          assessedAt: isoOf(world.nowMs),
          blocking: [],
          warnings: 0,
          waived: 0,
          incomplete: [],
        },
      }),
    });
    expect(asked).toBe(2);
    expect(owner.state.closed?.result).toBe('succeeded');
  });

  it('a cluster that cannot roll is refused at once, with a downtime plan', () => {
    const haLayer = { haLayer: 'hypervisor', rolling: false, reason: 'Only the hypervisor protects it.' } as const;
    const owner = drive({
      planned: plannedOf({ opensAt: at(600), plan: null, noPlanBecause: 'There is no standby.' }),
      inputs: (world) => inputsOf(world.snapshot(), { haLayer }),
    });
    expect(owner.world.nowMs).toBeLessThan(T0 + 1_000);
    expect(owner.state.closed?.result).toBe('refused');
    expect(owner.state.downtimePlan).toMatchObject({ reason: 'This cluster cannot roll: Only the hypervisor protects it.' });
  });

  it('is refused too when drift never answers: each silence closes the gate, and the time runs out', () => {
    const owner = drive({
      planned: plannedOf({ closesAt: at(240) }),
      drift: (_requestId, world) => ({
        type: 'RecordDriftAssessment',
        at: isoOf(world.nowMs),
        assessment: {
          requestId: 'another',
          assessedAt: isoOf(world.nowMs),
          blocking: [],
          warnings: 0,
          waived: 0,
          incomplete: [],
        },
      }),
    });
    expect(owner.state.closed?.result).toBe('refused');
    expect(owner.state.closed?.reason).toContain('drift: ');
    expect(of(owner, 'DriftAssessmentRequested').length).toBeGreaterThan(1);
  });

  it('what only time can open is looked at again after a rest', () => {
    const probe = { available: false, detail: 'the probe host boots' };
    const owner = drive({
      inputs: (world, state) =>
        inputsOf(world.snapshot(), { drift: state.drift, ...(world.nowMs < T0 + 3_000 ? { probe } : {}) }),
    });
    expect(owner.state.closed?.result).toBe('succeeded');
    expect(
      of(owner, 'GateEvaluated')
        .filter((gate) => gate.gate === 'probe')
        .map((gate) => gate.status),
    ).toEqual(['closed', 'open']);
  });

  it('evidence that lapses under way is fetched again before the next irreversible step', () => {
    const gates = [{ gate: 'drift', maxAgeMs: 30_000 }] as const;
    const owner = drive({ planned: withPlaybook({ gates, phases: { ...PLAYBOOK.phases, soakMs: 60_000 } }) });
    expect(owner.state.closed?.result).toBe('succeeded');
    expect(of(owner, 'DriftAssessmentRequested').length).toBeGreaterThan(1);
  });

  it('evidence that turns bad under way holds the rollout where it stands', () => {
    const gates = [{ gate: 'drift', maxAgeMs: 30_000 }] as const;
    const owner = drive({
      planned: withPlaybook({ gates, phases: { ...PLAYBOOK.phases, soakMs: 60_000 } }),
      drift: (requestId, world) => ({
        type: 'RecordDriftAssessment',
        at: isoOf(world.nowMs),
        assessment: {
          requestId,
          assessedAt: isoOf(world.nowMs),
          blocking: world.nowMs > T0 + 30_000 ? [finding] : [],
          warnings: 1,
          waived: 0,
          incomplete: [],
        },
      }),
    });
    expect(owner.state.held).toMatchObject({ whoCanChangeIt: 'whoever mends the node, or waives the finding' });
  });
});

describe('when a step fails', () => {
  it('a release that does not start on the standby is rolled back, and the workload never moves', () => {
    const world = new World(2);
    world.badReleases = ['b:17.10'];
    const owner = drive({ world });
    expect(owner.state.closed).toMatchObject({
      result: 'rolled-back',
      remains: [],
      versions: { a: { postgresql: '17.9' }, b: { postgresql: '17.9' } },
    });
    expect(owner.outcomes().slice(-7).map((outcome) => outcome.slice(3))).toEqual([
      'join-b failed', 'drain-b', 'unpatch-b', 'reboot-b skipped', 'join-b', 'validate-b', 'release-b', 'stop-probe',
    ].slice(-7)); // prettier-ignore
    expect(world.node('a').active).toBe(true);
  });

  it('a patch job that ends badly is rolled back without another try, and without draining what is drained', () => {
    const world = new World(2);
    world.interfere = (requested, hurt) => {
      if (requested.stepId !== '08-patch-b') return undefined;
      hurt.jobs.set(requested.key, 1);
      return { status: 'done', acts: ['job'] };
    };
    const owner = drive({ world });
    expect(owner.state.closed).toMatchObject({ result: 'rolled-back', remains: [] });
    expect(
      owner
        .outcomes()
        .slice(-7)
        .map((outcome) => outcome.slice(3)),
    ).toEqual(['patch-b failed', 'unpatch-b', 'reboot-b skipped', 'join-b', 'validate-b', 'release-b', 'stop-probe']);
  });

  it('holds where there is no way back: unproven, past the point of no return, or under the serving node', () => {
    const unproven = new World(2);
    unproven.badReleases = ['b:17.10'];
    const wayBack = [{ node: 'b', proven: false, applicable: true, detail: 'no old release' }];
    const first = drive({
      world: unproven,
      inputs: (world, state) => inputsOf(world.snapshot(), { drift: state.drift, wayBack }),
    });
    expect(first.state.held?.reason).toContain('The way back is not proven on b.');
    const late = new World(2);
    late.badReleases = ['a:17.10'];
    const plan = planOf({ versionPairs: { postgresql: { allowed: true, wayBack: 'none', reason: 'the catalogue changes' } } });
    expect(drive({ world: late, planned: plannedOf({ plan }) }).state.held?.reason).toContain(
      'The point of no return has been passed.',
    );
    const home = new World(2);
    home.distort = (observation) =>
      home.node('a').active && home.node('a').installed === '17.10'
        ? { ...observation, checks: [{ check: 'writes', passed: false, detail: 'read-only' }] }
        : observation;
    const phases = { ...PLAYBOOK.phases, failback: { enabled: true } };
    expect(drive({ world: home, planned: withPlaybook({ phases }) }).state.held?.reason).toContain(
      'The node that serves would have to be taken back.',
    );
  });

  it('holds where the playbook says so; an abort then returns what is out', () => {
    const world = new World(2);
    world.badReleases = ['b:17.10'];
    const owner = drive({ world, planned: withPlaybook({ onFailure: 'hold' }) });
    expect(owner.state.held?.reason).toContain('The playbook holds on failure.');
    world.badReleases = [];
    owner.give({ type: 'Abort', by: ADA, reason: 'enough', at: isoOf(world.nowMs) });
    owner.run();
    expect(owner.state.closed).toMatchObject({ result: 'aborted', remains: [] });
    expect(owner.state.out).toEqual([]);
  });

  it('an abort after a patch that failed takes the patch back where that is proven', () => {
    const world = new World(2);
    world.interfere = (requested, hurt) => {
      if (requested.stepId !== '08-patch-b') return undefined;
      hurt.jobs.set(requested.key, 1);
      return { status: 'done', acts: ['job'] };
    };
    const owner = drive({ world, planned: withPlaybook({ onFailure: 'hold' }) });
    owner.give({ type: 'Abort', by: ADA, reason: 'enough', at: isoOf(world.nowMs) });
    owner.run();
    expect(owner.state.closed).toMatchObject({ result: 'aborted', remains: [] });
    expect(
      owner
        .outcomes()
        .slice(-6)
        .map((outcome) => outcome.slice(3)),
    ).toEqual(['unpatch-b', 'reboot-b skipped', 'join-b', 'validate-b', 'release-b', 'stop-probe']);
  });

  it('of three, the second standby fails: it is taken back first, then the one that was done', () => {
    const world = new World(3);
    world.badReleases = ['c:17.10'];
    const plan = planOf({ cluster: definitionOf(3), snapshot: world.snapshot() });
    const owner = drive({ world, planned: plannedOf({ cluster: definitionOf(3), plan }) });
    expect(owner.state.closed).toMatchObject({
      result: 'rolled-back',
      versions: { b: { postgresql: '17.9' }, c: { postgresql: '17.9' } },
    });
    expect(
      owner
        .outcomes()
        .filter((outcome) => outcome.includes('unpatch'))
        .map((outcome) => outcome.slice(3)),
    ).toEqual(['unpatch-c', 'unpatch-b']);
  });

  it('a failed step is tried again when a person resumes', () => {
    const world = new World(2);
    world.badReleases = ['b:17.10'];
    const owner = drive({ world, planned: withPlaybook({ onFailure: 'hold' }) });
    world.badReleases = [];
    owner.give({ type: 'Resume', by: ADA, at: isoOf(world.nowMs) });
    owner.run();
    expect(owner.state.closed?.result).toBe('succeeded');
    expect(owner.state.steps.find((step) => step.step.stepId === '10-join-b')?.attempt).toBe(2);
  });

  it('a way back that fails itself is left to a person, and an abort then says what remains', () => {
    const world = new World(2);
    world.badReleases = ['b:17.10', 'b:17.9'];
    const owner = drive({ world });
    expect(owner.state.held?.reason).toContain('This was on the way back already.');
    owner.give({ type: 'Abort', by: ADA, reason: 'enough', at: isoOf(world.nowMs) });
    owner.run();
    expect(owner.state.closed?.result).toBe('needs-attention');
    expect(owner.state.closed?.remains.map((left) => left.what)).toEqual([
      'b is out of service (drained).',
      'The probe still runs.',
    ]);
  });

  it('a failure on the old active is taken back while the patched node serves', () => {
    const world = new World(2);
    world.badReleases = ['a:17.10'];
    const owner = drive({ world });
    expect(world.node('a').installed).toBe('17.9');
    expect(owner.state.closed?.result).toBe('rolled-back');
    expect(owner.state.closed?.versions).toEqual({ a: { postgresql: '17.9' }, b: { postgresql: '17.9' } });
  });

  it('a patched node that does not validate as active gives the workload back and is rolled back', () => {
    const world = new World(2);
    world.distort = (observation, seenWorld) => {
      const bad = seenWorld.node('b').active && seenWorld.node('b').installed === '17.10';
      return bad ? { ...observation, checks: [{ check: 'writes', node: 'b', passed: false, detail: 'read-only' }] } : observation;
    };
    const owner = drive({ world });
    expect(owner.state.closed).toMatchObject({
      result: 'rolled-back',
      versions: { a: { postgresql: '17.9' }, b: { postgresql: '17.9' } },
    });
    expect(owner.state.serving).toBe('a');
  });

  it('a switchover that did not happen is tried again; one that is stuck is given up, the workload where it was', () => {
    const world = new World(2);
    let tries = 0;
    world.interfere = (requested) => {
      if (requested.ask.ask !== 'verb' || requested.ask.verb !== 'switchover' || ++tries > 1) return undefined;
      return {
        status: 'unknown',
        cause: 'deadline',
        reason: 'The stop took too long; the old active was started again.',
        acts: [],
      };
    };
    expect(drive({ world }).state.closed?.result).toBe('succeeded');
    const stuck = new World(2);
    stuck.interfere = (requested) =>
      requested.ask.ask === 'verb' && requested.ask.verb === 'switchover'
        ? { status: 'stuck', reason: 'A sender lags.', acts: [] }
        : undefined;
    expect(drive({ world: stuck }).state.closed).toMatchObject({
      result: 'failed',
      reason: '03-switchover-b failed: a still serves. A sender lags.',
    });
  });

  it('a switchover that left nobody serving is brought to an end when nothing was promoted', () => {
    const world = new World(2);
    let tries = 0;
    world.interfere = (requested, hurt) => {
      if (requested.ask.ask !== 'verb' || requested.ask.verb !== 'switchover' || ++tries > 1) return undefined;
      hurt.node('a').active = false;
      return { status: 'stuck', reason: 'The promotion did not come.', acts: ['stop'] };
    };
    const owner = drive({ world });
    expect(owner.state.closed?.result).toBe('succeeded');
    expect(of(owner, 'StepFailed')).toMatchObject([{ stepId: '03-switchover-b', mayRepeat: true, serving: null }]);
  });

  it('holds for a person when every attempt left nobody serving', () => {
    const world = new World(2);
    world.interfere = (requested, hurt) => {
      if (requested.ask.ask !== 'verb' || requested.ask.verb !== 'switchover') return undefined;
      hurt.node('a').active = false;
      return { status: 'stuck', reason: 'The promotion did not come.', acts: ['stop'] };
    };
    const owner = drive({ world });
    expect(owner.state.held?.reason).toContain('No node serves');
    owner.give({ type: 'Abort', by: ADA, reason: 'by hand', at: isoOf(world.nowMs) });
    owner.run();
    expect(owner.state.closed?.result).toBe('needs-attention');
  });
});

describe('when it cannot be told', () => {
  it('looks until the deadline, records it as missed, and holds with a person; a later look decides', () => {
    const world = new World(2);
    world.interfere = (requested, hurt) => {
      if (requested.stepId !== '08-patch-b') return undefined;
      hurt.node('b').reachable = false;
      hurt.node('b').installed = '17.10';
      return { status: 'unknown', cause: 'unreachable', reason: 'The link was lost.', acts: [] };
    };
    world.distort = (observation, hurt) =>
      hurt.node('b').reachable ? observation : { at: observation.at, job: { status: 'unknown' } };
    const owner = drive({ world });
    expect(of(owner, 'DeadlineMissed')).toMatchObject([{ stepId: '08-patch-b' }]);
    expect(owner.state.held?.reason).toContain('What became of 08-patch-b could not be told');
    world.node('b').reachable = true;
    owner.give({ type: 'Resume', by: ADA, at: isoOf(world.nowMs) });
    owner.run();
    expect(owner.state.closed?.result).toBe('succeeded');
    expect(owner.world.journal.filter((key) => key.includes('08-patch-b'))).toHaveLength(1);
  });

  it('an abort of what cannot be told closes with what remains', () => {
    const world = new World(2);
    world.interfere = (requested, hurt) => {
      if (requested.stepId === '08-patch-b') hurt.node('b').reachable = false;
      return undefined;
    };
    world.distort = (observation, hurt) => (hurt.node('b').reachable ? observation : { at: observation.at });
    const owner = drive({ world });
    owner.give({ type: 'Abort', by: ADA, reason: 'enough', at: isoOf(world.nowMs) });
    owner.run();
    expect(owner.state.closed?.result).toBe('needs-attention');
    expect(owner.state.closed?.remains.map((left) => left.what)).toContainEqual(
      expect.stringContaining('What became of 08-patch-b is not known'),
    );
  });

  it('a step that may not begin is looked at for its own time, then held with the reason', () => {
    const world = new World(2);
    world.distort = (observation) =>
      world.probe === 'running'
        ? {
            ...observation,
            snapshot: seen([activeSeen('a'), nodeSeen('b', { lag: { bytes: 5_000, ceilingBytes: 1_000 } })], {
              observedAt: observation.at,
            }),
          }
        : observation;
    const owner = drive({ world });
    expect(owner.state.held?.reason).toBe('03-switchover-b may not begin: b is not fit to serve: streaming. (INVARIANT_3)');
    expect(owner.moves.filter((move) => move.move === 'observe').length).toBeGreaterThan(5);
  });

  it('a look that brings nothing is repeated', () => {
    const world = new World(2);
    let looks = 0;
    let blind = false;
    world.distort = (observation) => (blind ? { at: observation.at } : observation);
    const owner = drive({
      world,
      before: (move) => {
        blind = move.move === 'observe' && move.requested === null && ++looks % 2 === 1 && looks < 20;
        return undefined;
      },
    });
    expect(owner.state.closed?.result).toBe('succeeded');
    expect(looks).toBeGreaterThan(10);
  });

  it('an end that cannot be seen completely is waited for, then held with the reason', () => {
    const world = new World(2);
    world.distort = (observation) =>
      world.probe === 'ended' && observation.snapshot !== undefined
        ? { ...observation, snapshot: { ...observation.snapshot, complete: false } }
        : observation;
    expect(drive({ world }).state.held?.reason).toBe(
      'The rollout may not close as succeeded: Not every node was seen to run the target versions.',
    );
  });

  it('who serves is not concluded from a look that shows two', () => {
    const world = new World(2);
    world.distort = (observation) => {
      const joined =
        world.probe === 'running' &&
        world.node('b').installed === '17.10' &&
        world.node('b').joined &&
        !world.node('b').electable;
      return joined
        ? { ...observation, snapshot: seen([activeSeen('a'), activeSeen('b')], { observedAt: observation.at }) }
        : observation;
    };
    const owner = drive({ world });
    expect(of(owner, 'StepSucceeded').find((step) => step.stepId === '10-join-b')?.serving).toBeUndefined();
  });

  it('a soak in which the node falls over fails', () => {
    const world = new World(2);
    world.interfere = (requested, hurt) => {
      if (requested.stepId === '12-soak-b') Object.assign(hurt.node('b'), { joined: false, availability: 'down' });
      return undefined;
    };
    expect(of(drive({ world }), 'StepFailed')[0]).toMatchObject({
      stepId: '12-soak-b',
      reason: 'b did not stay a healthy member.',
    });
  });
});

describe('foreign hands', () => {
  it('somebody else moved the workload: recorded, held, and gone on with after a look', () => {
    const before = once(
      (stepId, move) => stepId === '07-drain-b' && move === 'observe',
      (owner) => {
        owner.world.node('a').active = false;
        owner.world.node('b').active = true;
      },
    );
    const owner = drive({ before });
    expect(owner.state.held?.reason).toBe('b serves, not a: somebody else moved the workload.');
    expect(owner.state.serving).toBe('b');
  });

  it('two nodes that accept writes: a breach, and a person', () => {
    const before = once(
      (stepId, move) => stepId === '07-drain-b' && move === 'observe',
      (owner) => {
        owner.world.node('b').active = true;
      },
    );
    const owner = drive({ before });
    expect(of(owner, 'InvariantBreached')).toMatchObject([{ number: 17 }]);
    expect(owner.state.status).toBe('held');
  });

  it('the active died while we looked: held, nobody is promoted by us', () => {
    const before = once(
      (stepId, move) => stepId === '07-drain-b' && move === 'observe',
      (owner) => {
        owner.world.node('a').active = false;
      },
    );
    expect(drive({ before }).state.held?.reason).toBe('a does not serve any more, and nobody else does.');
  });
});

describe('the next move', () => {
  const memory: RunnerMemory = {
    incarnation: 'i-1',
    performed: null,
    observation: null,
    gatesEvaluatedAtMs: null,
    nextRequestId: 'q',
  };

  it('is to wait where there is no rollout, or another incarnation owns it', () => {
    expect(nextMove(INITIAL, memory, T0)).toEqual({ move: 'wait', because: 'There is no rollout yet.' });
    expect(nextMove(stateOf([{ type: 'RolloutPlanned', data: plannedOf() }]), memory, T0)).toEqual({
      move: 'wait',
      because: 'Another incarnation owns the rollout.',
    });
  });

  it('hands the neighbours on a shared host to the order', () => {
    let neighbours: unknown;
    const world = new World(2);
    world.distort = (observation) => ({ ...observation, neighbours: [] });
    drive({
      world,
      before: (move) =>
        void (move.move === 'command' && move.command.type === 'RequestStep' && move.command.stepId === '07-drain-b'
          ? (neighbours = move.command.neighbours)
          : undefined),
    });
    expect(neighbours).toEqual([]);
  });
});

describe('people steer', () => {
  it('a hold stops at the next safe point; resume looks again and goes on', () => {
    const held = drive({
      before: once(
        (stepId, move) => stepId === '07-drain-b' && move === 'perform',
        (self) => self.give({ type: 'Hold', by: ADA, reason: 'lunch', at: isoOf(self.world.nowMs) }),
      ),
    });
    expect(held.state.held).toMatchObject({ reason: 'lunch' });
    expect(of(held, 'RolloutHeld')[0]?.afterStep).toBe('07-drain-b');
    held.give({ type: 'Resume', by: ADA, at: isoOf(held.world.nowMs) });
    held.run();
    expect(held.state.closed?.result).toBe('succeeded');
  });

  it('pauses before the phases that the playbook names', () => {
    const owner = drive({ planned: withPlaybook({ pauseBefore: ['switchover'] }) });
    expect(owner.state.held?.reason).toBe('The playbook pauses before phase switchover.');
    owner.give({ type: 'Resume', by: ADA, at: isoOf(owner.world.nowMs) });
    owner.run();
    expect(owner.state.closed?.result).toBe('succeeded');
  });

  it('a freeze stops everything, lists what is in flight, and is left by a person', () => {
    const owner = drive({
      before: once(
        (stepId, move) => stepId === '08-patch-b' && move === 'perform',
        (self) => self.give({ type: 'Freeze', by: ADA, reason: 'smoke', at: isoOf(self.world.nowMs) }),
      ),
    });
    expect(of(owner, 'RolloutFrozen')[0]?.inFlight).toEqual(['08-patch-b']);
    expect(owner.run()).toEqual({ move: 'wait', because: 'Frozen: a person drives.' });
    owner.give({ type: 'Resume', by: ADA, at: isoOf(owner.world.nowMs) });
    owner.run();
    expect(owner.state.closed?.result).toBe('succeeded');
  });

  it('what can no longer be taken back inside the window is not begun', () => {
    const before = once(
      (stepId, move) => stepId === '07-drain-b' && move === 'observe',
      (owner) => {
        owner.world.nowMs = Date.parse(owner.state.planned?.closesAt ?? '') - 20_000;
      },
    );
    const owner = drive({ before });
    expect(owner.state.closed).toMatchObject({
      result: 'aborted',
      reason: expect.stringContaining('07-drain-b had to start by') as string,
    });
  });
});
