/**
 * An orchestrator that is frozen between the intent and the effect of each verb, past its lease, and woken when another has taken
 * over and done the step: what it was about to do is refused by the host, it drops the rollout, and nothing is done twice.
 */
import type { ServiceProcess } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  adoptionsIn,
  endOf,
  journalOf,
  notByTheOwner,
  onceEach,
  openWindow,
  ownSystem,
  Places,
  TAKEN_OVER_WITHIN_MS,
  TwoOrchestrators,
  type JournalFile,
  type PairWindow,
  type RecordedEvent,
} from '../../support/distributed/index.js';

const COME_THERE_LIMIT_MS = 120_000;
const STEP_LIMIT_MS = 60_000;
const CLOSED_LIMIT_MS = 240_000;
/** Long enough that who takes over goes on with the same attempt, under the same keys: its deadline is four times this. */
const EXPECTED_MS = 30_000;
/** Between a verb and the next, so that there is time to say where the next freeze shall be. */
const SOAK_MS = 5_000;

interface Stop {
  readonly kind: string;
  /** The first act that the verb does in a healthy pair, or the one that cannot be undone. */
  readonly act: string;
}

const SWITCHOVER = { kind: 'switchover', act: 'stop-active' };
const DRAIN = { kind: 'drain', act: 'mark-drained' };
const JOIN = { kind: 'join', act: 'start' };
const RELEASE = { kind: 'release', act: 'release' };
/** In the order of the plan. */
const STOPS: readonly Stop[] = [SWITCHOVER, DRAIN, JOIN, RELEASE];

describe('an owner frozen between intent and effect', () => {
  const system = ownSystem();
  let places: Places;
  let two: TwoOrchestrators;
  let window: PairWindow | undefined;
  let takenOver = 0;
  const stepIds = new Map<Stop, string>();

  beforeAll(() => (places = Places.inEveryProcess()));
  afterAll(() => places.leave());

  /** The window that all of it happens in; the first owner to be frozen is on its way to `first`. */
  async function going(first?: Stop): Promise<PairWindow> {
    if (window !== undefined) return window;
    two = await TwoOrchestrators.on(system());
    const verbs = { switchover: EXPECTED_MS, drain: EXPECTED_MS, join: EXPECTED_MS, release: EXPECTED_MS };
    const durations = { ...verbs, patch: 3_000, unpatch: 3_000, reboot: 5_000 };
    window = await openWindow(two.system, { slug: 'frozen', soakMs: SOAK_MS, playbook: { durations } });
    for (const stop of STOPS) stepIds.set(stop, (await window.step(stop.kind)).stepId);
    arm(await two.owner(window), first);
    return window;
  }

  function arm({ name, pid }: ServiceProcess, stop: Stop | undefined): void {
    if (pid === undefined) throw new Error(`${name} does not run.`);
    if (stop !== undefined) places.stopAt(pid, `before-act-sent ${stepIds.get(stop) ?? ''}/${stop.act}`);
  }

  /** Waits until the owner is frozen there, lets the other do the step, wakes it, and looks at what it does then. */
  async function frozenAt(stop: Stop): Promise<void> {
    const { act } = stop;
    const rollout = await going(stop);
    const stepId = stepIds.get(stop) ?? '';
    const frozen = await two.owner(rollout);
    await places.stopped(frozen.pid ?? 0, COME_THERE_LIMIT_MS);
    const since = Date.now();
    const other = two.askNot(frozen);
    const intent = await rollout.requested(stepId, STEP_LIMIT_MS);
    const key = `${String(intent.body['key'])}/${act}`;
    const effects = (): readonly string[] => entries(rollout, (entry) => entry.key.startsWith(`${key}/`));
    expect(effects()).toEqual([]);

    const adoption = await two.takenOver(rollout, intent);
    takenOver += 1;
    expect(adoption.instance).toBe(other.name);
    expect(adoption.at - since).toBeLessThan(TAKEN_OVER_WITHIN_MS);
    const isDone = ({ type, body }: RecordedEvent): boolean => type === 'StepSucceeded' && body['stepId'] === stepId;
    await rollout.saw(`${stepId} done by ${other.name}`, STEP_LIMIT_MS, isDone);
    // The next one to be frozen does not wait for us.
    arm(other, STOPS[STOPS.indexOf(stop) + 1]);
    const done = effects();
    expect(done).toEqual([expect.stringMatching(`^\\S+ acts ${key}/1 by ${adoption.position}: 0$`)]);
    const before = entries(rollout, ({ epoch }) => epoch < adoption.position);
    const said = frozen.log().length;

    frozen.thaw();
    two.askNot(other);
    await two.dropped(frozen);
    expect(entries(rollout, ({ epoch }) => epoch < adoption.position)).toEqual(before);
    expect(effects()).toEqual(done);
    expect(notByTheOwner(await rollout.events())).toEqual([]);
    expect(frozen.log().slice(said)).toContain('shut out by a host');
  }

  it('switchover: before the active node is stopped', () => frozenAt(SWITCHOVER));

  it('drain: before the standby is marked', () => frozenAt(DRAIN));

  it('join: before the patched standby is started', () => frozenAt(JOIN));

  it('release: before the mark is taken away', () => frozenAt(RELEASE));

  it('the window ends succeeded, and no act was done twice by journal and timelines', async () => {
    const rollout = await going();
    const end = await endOf(rollout, CLOSED_LIMIT_MS);
    const events = await rollout.events();
    expect(end).toEqual(onceEach(rollout, events));
    expect(adoptionsIn(events)).toHaveLength(takenOver + 1);
  });
});

/** What the hosts' journals hold, in words. */
function entries({ nodes }: PairWindow, meant: (entry: JournalFile) => boolean): readonly string[] {
  return nodes.flatMap((node) =>
    journalOf(node)
      .filter(meant)
      .map(({ kind, key, epoch, code }) => `${node.slug} ${kind} ${key} by ${epoch}: ${code}`),
  );
}
