import { describe, expect, it } from 'vitest';
import {
  ADA,
  World,
  definitionOf,
  drive,
  inputsOf,
  of,
  once,
  planOf,
  plannedOf,
  withPlaybook,
  PLAYBOOK,
} from './fixtures/contract.js';
import { isoOf } from './time.js';

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

  it('on the way back no step of the way there is tried again, and what it may have left half done is taken back', () => {
    const world = new World(2);
    world.interfere = (requested) => (requested.stepId === '08-patch-b' ? { status: 'done', acts: ['job'] } : undefined);
    const owner = drive({
      world,
      before: (move, self) => {
        const waits = self.state.steps.some(
          (step) => step.step.stepId === '08-patch-b' && step.status === 'planned' && step.attempt === 1,
        );
        if (waits && move.move === 'sleep') world.nowMs = Date.parse(self.state.planned?.closesAt ?? '');
        return undefined;
      },
    });
    expect(owner.state.closed).toMatchObject({ result: 'aborted', remains: [] });
    expect(of(owner, 'StepRequested').filter((request) => request.stepId === '08-patch-b')).toHaveLength(1);
    expect(owner.outcomes().map((outcome) => outcome.slice(3))).toContain('unpatch-b');
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
    world.badReleases = ['b:17.10'];
    const before = once(
      (stepId, move) => stepId === '08-patch-b' && move === 'perform',
      () => (world.badReleases = ['b:17.10', 'b:17.9']),
    );
    const owner = drive({ world, before });
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

  it('an abort after it does not leave the workload there, whatever the switchover test saw before the patch', () => {
    const world = new World(2);
    world.distort = (observation, seenWorld) => {
      const bad = seenWorld.node('b').active && seenWorld.node('b').installed === '17.10';
      return bad ? { ...observation, checks: [{ check: 'archiving', node: 'b', passed: false, detail: 'dead' }] } : observation;
    };
    const owner = drive({ world, planned: withPlaybook({ onFailure: 'hold' }) });
    expect(owner.outcomes()).toContain('04-validate-b');
    expect(owner.state).toMatchObject({ status: 'held', serving: 'b' });
    owner.give({ type: 'Abort', by: ADA, reason: 'enough', at: isoOf(world.nowMs) });
    owner.run();
    expect(owner.outcomes().slice(-3).map((outcome) => outcome.slice(3))).toEqual(['switchover-a', 'validate-a', 'stop-probe']); // prettier-ignore
    expect(owner.state.closed).toMatchObject({ result: 'aborted', remains: [] });
    expect(world.node('a').active).toBe(true);
  });

  it('an abort after the workload was validated there leaves it there', () => {
    const versionPairs = { postgresql: { allowed: true, wayBack: 'lossy', reason: 'new pages' } } as const;
    for (const planned of [plannedOf(), plannedOf({ plan: planOf({ versionPairs }) })])
      for (const step of ['18-drain-a', '24-postflight']) {
        const before = once(
          (stepId, move) => stepId === step && move === 'RequestStep',
          (self) => self.give({ type: 'Abort', by: ADA, reason: 'enough', at: isoOf(self.world.nowMs) }),
        );
        const owner = drive({ planned, before });
        expect(owner.state.closed).toMatchObject({ result: 'aborted', remains: [] });
        expect(owner.world.node('b').active).toBe(true);
      }
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

  it('a switchover of which nobody can tell what became says nothing about who serves', () => {
    const world = new World(2);
    let blind = false;
    world.interfere = (requested) => {
      if (requested.stepId !== '03-switchover-b') return undefined;
      blind = true;
      return { status: 'unknown', cause: 'deadline', reason: 'host-a does not answer.', acts: [] };
    };
    world.distort = (observation) =>
      blind && observation.snapshot !== undefined
        ? { ...observation, snapshot: { ...observation.snapshot, complete: false } }
        : observation;
    const owner = drive({ world });
    expect(of(owner, 'StepUnknown')).toMatchObject([{ stepId: '03-switchover-b' }]);
    expect(of(owner, 'StepUnknown')[0]).not.toHaveProperty('serving');
    expect(owner.state).toMatchObject({ status: 'held', serving: 'a' });
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

  it('a switchover that left nobody serving is repaired without asking for evidence that has lapsed', () => {
    const world = new World(2);
    let tries = 0;
    world.interfere = (requested, hurt) => {
      if (requested.stepId !== '14-switchover-b' || ++tries > 1) return undefined;
      Object.assign(hurt.node('a'), { active: false, stopped: true, joined: false, availability: 'down' });
      hurt.nowMs += 40_000;
      return { status: 'unknown', cause: 'deadline', reason: 'The promotion did not come.' };
    };
    const gates = [{ gate: 'drift', maxAgeMs: 30_000 }] as const;
    const owner = drive({ world, planned: withPlaybook({ gates }) });
    const failed = owner.log.findIndex((event) => event.type === 'StepFailed');
    const next = owner.log.slice(failed + 1).map((event) => event.type);
    expect(next.slice(0, 2)).toEqual(['StepRequested', 'StepSucceeded']);
    expect(owner.state.closed?.result).toBe('succeeded');
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
