/**
 * Two orchestrators on one schema. The owner of a window dies in the middle: the other takes over within the lease and 5 s. Then that
 * one freezes just before an append, past its lease: woken, its append is refused and it drops the rollout. Nothing is done twice.
 */
import type { ServiceProcess } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  endOf,
  LEASE_TERM_MS,
  notByTheOwner,
  onceEach,
  openWindow,
  ownSystem,
  Places,
  TAKEN_OVER_WITHIN_MS,
  TwoOrchestrators,
  type PairWindow,
  type TakenOver,
} from '../../support/distributed/index.js';

const STEP_LIMIT_MS = 180_000;
const COME_THERE_LIMIT_MS = 60_000;
const CLOSED_LIMIT_MS = 240_000;

describe('two orchestrators, the owner', () => {
  const system = ownSystem();
  let places: Places;
  let two: TwoOrchestrators;
  let window: PairWindow;
  let killed: ServiceProcess;
  let survivor: ServiceProcess;
  let taken: TakenOver;

  beforeAll(() => (places = Places.inEveryProcess()));
  afterAll(() => places.leave());

  it('killed in the middle: the other takes over within the lease time and 5 s', async () => {
    two = await TwoOrchestrators.on(system());
    window = await openWindow(two.system, { slug: 'killed' });
    const { stepId } = await window.step('patch');
    const requested = await window.requested(stepId, STEP_LIMIT_MS);
    killed = await two.owner(window);
    await killed.kill();
    const since = Date.now();
    survivor = two.askNot(killed);
    taken = await two.takenOver(window, requested);
    expect(taken.instance).toBe(survivor.name);
    expect(taken.at - since).toBeLessThan(TAKEN_OVER_WITHIN_MS);
  });

  it('frozen just before an append, and woken when another has taken over: the append is refused, it drops the rollout', async () => {
    const { pid } = survivor;
    if (pid === undefined) throw new Error(`${survivor.name} does not run.`);
    places.stopAt(pid, 'before-intent-committed ');
    await places.stopped(pid, COME_THERE_LIMIT_MS);
    const since = Date.now();
    await killed.start();
    const served = Date.now();
    two.askNot(survivor);
    const adoption = await two.takenOver(window, taken);
    expect(adoption.instance).toBe(killed.name);
    // Whoever was started a long time after the freeze finds a lease that has ended.
    expect(adoption.at - Math.max(since, served - LEASE_TERM_MS)).toBeLessThan(TAKEN_OVER_WITHIN_MS);
    const overtaken = ({ type, version }: { type: string; version: number }): boolean =>
      type === 'StepRequested' && version > adoption.version;
    await window.saw('the step that it was about to ask for', COME_THERE_LIMIT_MS, overtaken);
    const said = survivor.log().length;
    survivor.thaw();
    await two.dropped(survivor);
    expect(notByTheOwner(await window.events())).toEqual([]);
    const refused = survivor
      .log()
      .slice(said)
      .split('\n')
      .filter((line) => line.includes('an order of the runner was refused'));
    expect(refused).toEqual([expect.stringContaining(`owned by ${adoption.incarnation}`)]);
  });

  it('the window ends succeeded, each act once by journal and timelines', async () => {
    const end = await endOf(window, CLOSED_LIMIT_MS);
    const events = await window.events();
    expect(end).toEqual(onceEach(window, events));
    expect(events.filter(({ type }) => type === 'RolloutAdopted')).toHaveLength(3);
  });
});
