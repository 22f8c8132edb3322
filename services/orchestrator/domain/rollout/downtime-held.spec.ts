import { describe, expect, it } from 'vitest';
import {
  ADA,
  World,
  codesOf,
  downtimeOf,
  drive,
  inputsOf,
  of,
  once,
  type DriveOptions,
  type Owner,
} from './fixtures/contract.js';
import { isoOf } from './time.js';

const HOUR_MS = 3_600_000;

/** A downtime rollout that is held while the workload is away: what a person can still do about it. */

const run = (options: Partial<DriveOptions> = {}): Owner => drive({ world: new World(1), planned: downtimeOf(), ...options });
const bad = (): World => Object.assign(new World(1), { badReleases: ['a:17.10'] });
const nowOf = (owner: Owner): string => isoOf(owner.world.nowMs);
const abort = (owner: Owner): void => void owner.give({ type: 'Abort', by: ADA, reason: 'enough', at: nowOf(owner) });
const rollBack = (owner: Owner): void =>
  void owner.give({ type: 'RollBack', by: ADA, reason: 'take it back', node: null, at: nowOf(owner) });

/** Something that the rules will not have, seen before the patch: the rollout is held between the stop and the patch. */
function heldBeforePatch(): Owner {
  const world = new World(1);
  let strange = false;
  world.distort = (observation) =>
    strange && observation.snapshot ? { ...observation, snapshot: { ...observation.snapshot, complete: false } } : observation;
  const owner = run({
    world,
    planned: downtimeOf({ outageBudgetMs: HOUR_MS }),
    before: once(
      (stepId, move) => stepId === '04-patch-a' && move === 'observe',
      () => (strange = true),
    ),
  });
  expect(owner.state).toMatchObject({
    status: 'held',
    serving: null,
    held: { reason: expect.stringContaining('04-patch-a may not begin') },
  });
  strange = false;
  return owner;
}

/** Patched by a rollout that ran over its outage budget: what is installed was to be started, and does not start. */
function heldOnTheWayBack(inputs?: DriveOptions['inputs']): Owner {
  const owner = run({
    world: bad(),
    ...(inputs === undefined ? {} : { inputs }),
    before: once(
      (stepId, move) => stepId === '04-patch-a' && move === 'perform',
      ({ world }) => (world.nowMs += 61_000),
    ),
  });
  expect(owner.state).toMatchObject({ status: 'held', serving: null, recovery: { result: 'failed' } });
  return owner;
}

describe('held between the stop and the start of a downtime', () => {
  it('an abort brings the workload back at once, with what is installed', () => {
    const owner = heldBeforePatch();
    abort(owner);
    owner.run();
    expect(owner.state.closed).toMatchObject({ result: 'aborted', remains: [], versions: { a: { postgresql: '17.9' } } });
    expect(owner.state.serving).toBe('a');
    expect(owner.outcomes()).not.toContain('04-patch-a');
  });

  it('a resume goes on where it stopped', () => {
    const owner = heldBeforePatch();
    owner.give({ type: 'Resume', by: ADA, at: nowOf(owner) });
    owner.run();
    expect(owner.state.closed).toMatchObject({ result: 'succeeded' });
  });

  it('a wish to roll back does not wait for a start of what shall be taken back', () => {
    const owner = run({
      before: once(
        (stepId, move) => stepId === '06-start-a' && move === 'RequestStep',
        (one) => rollBack(one),
      ),
    });
    expect(owner.state.closed).toMatchObject({ result: 'rolled-back', versions: { a: { postgresql: '17.9' } }, remains: [] });
    expect(owner.outcomes()).not.toContain('06-start-a');
  });

  it('begins no step of the way there once a person wants to turn back', () => {
    const owner = heldBeforePatch();
    abort(owner);
    expect(owner.state).toMatchObject({ status: 'running', serving: null });
    expect(
      codesOf(
        {
          type: 'RequestStep',
          stepId: '04-patch-a',
          incarnation: 'i-1',
          snapshot: owner.world.snapshot(),
          neighbours: [],
          at: nowOf(owner),
        },
        owner.state,
      ),
    ).toEqual(['STOP_REQUESTED']);
  });
});

describe('held because the workload does not come back', () => {
  it('says that it can be started again, taken back or given up', () => {
    expect(heldOnTheWayBack().state.held?.whoCanChangeIt).toContain('resume to start it again, roll back to the version before');
  });

  it('is taken back to the version before on a word', () => {
    const owner = heldOnTheWayBack();
    rollBack(owner);
    owner.run();
    expect(owner.state.closed).toMatchObject({ result: 'rolled-back', versions: { a: { postgresql: '17.9' } }, remains: [] });
    expect(owner.state).toMatchObject({ serving: 'a', outage: { since: null } });
  });

  it('is started again on a word, once a person has mended what kept it from starting', () => {
    const owner = heldOnTheWayBack();
    owner.world.badReleases = [];
    owner.give({ type: 'Resume', by: ADA, at: nowOf(owner) });
    owner.run();
    expect(owner.state).toMatchObject({ status: 'closed', serving: 'a' });
  });

  it('is not taken back where the version before is not at hand, and says why', () => {
    const owner = heldOnTheWayBack((world, state) =>
      inputsOf(world.snapshot(), {
        drift: state.drift,
        wayBack: [{ node: 'a', proven: false, applicable: true, detail: 'the old release is gone' }],
      }),
    );
    expect(codesOf({ type: 'RollBack', by: ADA, reason: 'r', node: null, at: nowOf(owner) }, owner.state)).toEqual([
      'WAY_BACK_UNPROVEN',
    ]);
  });

  it('is not taken back twice: where that fails too, starting again or giving up is left', () => {
    const owner = heldOnTheWayBack();
    owner.world.badReleases = ['a:17.10', 'a:17.9'];
    rollBack(owner);
    owner.run();
    expect(owner.state).toMatchObject({ status: 'held', recovery: { result: 'rolled-back' } });
    expect(owner.state.held?.whoCanChangeIt).toBe('an operator: resume after a look, or abort');
    expect(codesOf({ type: 'RollBack', by: ADA, reason: 'r', node: null, at: nowOf(owner) }, owner.state)).toEqual([
      'TURNING_BACK',
    ]);
    abort(owner);
    owner.run();
    expect(owner.state.closed).toMatchObject({ result: 'needs-attention' });
  });
});

describe('an abort whose own way back leaves the workload down', () => {
  /** Patched and away when it was aborted: what is installed was to be started, and does not start. */
  function aborted(): Owner {
    const owner = run({
      world: bad(),
      before: once(
        (stepId, move) => stepId === '06-start-a' && move === 'RequestStep',
        (one) => abort(one),
      ),
    });
    expect(owner.state).toMatchObject({ status: 'held', recovery: { result: 'aborted' } });
    expect(owner.state.held?.reason).toContain('The workload is down.');
    return owner;
  }

  it('is held and not closed, and can still be taken back', () => {
    const owner = aborted();
    rollBack(owner);
    owner.run();
    expect(owner.state.closed).toMatchObject({ result: 'rolled-back', versions: { a: { postgresql: '17.9' } } });
    expect(of(owner, 'RolloutHeld')).toHaveLength(1);
  });

  it('ends where it stands at another abort, with what remains', () => {
    const owner = aborted();
    abort(owner);
    expect(owner.state.closed).toMatchObject({ result: 'needs-attention' });
    expect(owner.state.closed?.remains.map(({ what }) => what)).toContain('No node serves.');
  });
});
