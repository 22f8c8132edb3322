import { describe, expect, it } from 'vitest';
import {
  ADA,
  T0,
  World,
  at,
  definitionOf,
  drive,
  inputsOf,
  of,
  once,
  planOf,
  plannedOf,
  withPlaybook,
  PLAYBOOK,
  type Owner,
} from './fixtures/contract.js';
import { isoOf } from './time.js';

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
      planned: plannedOf({ closesAt: at(300) }),
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

  /** The evidence lapses after this step's look; `silent` nodes cannot be compared. */
  const lapsesAt = (step: string, silent: (world: World) => readonly string[]): Owner =>
    drive({
      planned: withPlaybook({ gates: [{ gate: 'drift', maxAgeMs: 30_000 }] }),
      before: once(
        (stepId, move) => stepId === step && move === 'observe',
        ({ world }) => (world.nowMs += 60_000),
      ),
      drift: (requestId, world) => ({
        type: 'RecordDriftAssessment',
        at: isoOf(world.nowMs),
        assessment: {
          ...{ requestId, assessedAt: isoOf(world.nowMs), blocking: [], warnings: 0, waived: 0 },
          incomplete: silent(world).map((node) => `${node}: server: connection refused`),
        },
      }),
    });
  const down = (world: World): readonly string[] => ['a', 'b'].filter((node) => world.node(node).availability !== 'serving');
  const stepAt = ({ log }: Owner, type: string, stepId: string): number =>
    log.findIndex((event) => event.type === type && 'stepId' in event.data && event.data.stepId === stepId);
  /** Where the drift gate opened: without a node, and without none. */
  const opened = ({ log }: Owner): { readonly without: readonly number[]; readonly whole: readonly number[] } => {
    const all = log.flatMap((event, index) =>
      event.type === 'GateEvaluated' && event.data.gate === 'drift' && event.data.status === 'open'
        ? [{ index, isWhole: !('passedOver' in event.data.evidence) }]
        : [],
    );
    const indexes = (wanted: boolean): number[] => all.filter(({ isWhole }) => isWhole === wanted).map(({ index }) => index);
    return { without: indexes(false), whole: indexes(true) };
  };

  it('evidence that lapses while a node is out by our hand opens without it, and it is compared once it is back', () => {
    const owner = lapsesAt('08-patch-b', down);
    expect(owner.state.closed?.result).toBe('succeeded');
    const { without, whole } = opened(owner);
    expect(without[0]).toBeLessThan(stepAt(owner, 'StepRequested', '08-patch-b'));
    const [from, to] = [stepAt(owner, 'StepSucceeded', '10-join-b'), stepAt(owner, 'StepRequested', '14-switchover-b')];
    expect(whole.some((index) => index > from && index < to)).toBe(true);
  });

  it('also the last node: drift is asked about it before the last look at the whole', () => {
    const owner = lapsesAt('19-patch-a', down);
    expect(owner.state.closed?.result).toBe('succeeded');
    const { without, whole } = opened(owner);
    expect(without[0]).toBeLessThan(stepAt(owner, 'StepRequested', '19-patch-a'));
    const [from, to] = [stepAt(owner, 'StepSucceeded', '21-join-a'), stepAt(owner, 'StepRequested', '24-postflight')];
    expect(whole.some((index) => index > from && index < to)).toBe(true);
  });

  it('holds where the node cannot be compared once it is back either', () => {
    const owner = lapsesAt('08-patch-b', ({ nowMs }) => (nowMs > T0 + 60_000 ? ['b'] : []));
    expect(owner.state.held?.reason).toContain('could not be compared: b: server: connection refused');
    expect(stepAt(owner, 'StepSucceeded', '10-join-b')).toBeGreaterThan(0);
    expect(stepAt(owner, 'StepRequested', '14-switchover-b')).toBe(-1);
  });

  it('an answer that took longer than the pause between two questions is shown to the gate before it is asked again', () => {
    const asked: string[] = [];
    const owner = drive({
      before: once(
        (_stepId, move) => move === 'RequestDriftAssessment' && asked.length === 1,
        (one) => one.give({ type: 'Abort', by: ADA, reason: 'seen', at: isoOf(one.world.nowMs) }),
      ),
      drift: (requestId, world) => {
        asked.push(requestId);
        world.nowMs += 20_000;
        const at = isoOf(world.nowMs);
        const assessment = { requestId, assessedAt: at, blocking: [finding], warnings: 0, waived: 0, incomplete: [] };
        return { type: 'RecordDriftAssessment', at, assessment };
      },
    });
    expect(asked).toHaveLength(1);
    expect(of(owner, 'GateEvaluated').filter(({ gate }) => gate === 'drift')).toMatchObject([
      { status: 'closed', evidence: { requestId: asked[0] } },
    ]);
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
