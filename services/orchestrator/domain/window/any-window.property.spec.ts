import { fold } from '@understudy/decider';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arrange, dependenciesOf } from './arrange.js';
import { windowDecider } from './decide.js';
import { rolloutsTold } from './report.js';
import { endedWell, unseenRollout, type RolloutSeen } from './rollouts.js';
import { NOTHING_TO_DO } from '../rollout/versions.js';
import type { Dependency, Scheduled, WindowEvent, WindowScheduled } from './window.js';

const T0 = Date.parse('2026-03-01T20:00:00.000Z');
const at = (ms: number): string => new Date(T0 + ms).toISOString();
const ADA = { subject: 'ada', role: 'operator' } as const;
/** More turns than any window here can need. */
const MOST_TURNS = 500;

interface Drawn {
  readonly hosts: readonly (readonly number[])[];
  readonly durations: readonly number[];
  readonly fails: readonly boolean[];
  /** Those whose cluster can never be looked at, and those that have nothing to do. */
  readonly unseen: readonly boolean[];
  readonly idle: readonly boolean[];
  readonly on: readonly (readonly number[])[];
  readonly wave: readonly number[];
  readonly canary: boolean;
  readonly soakMs: number;
  readonly failureBudget: number;
  readonly closesMs: number;
  readonly resumes: boolean;
}

const SIZE = 6;
const each = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(one, { minLength: SIZE, maxLength: SIZE });
/** Now and then. */
const seldom = fc.nat(5).map((number) => number === 0);
const drawn: fc.Arbitrary<Drawn> = fc.record({
  hosts: each(fc.uniqueArray(fc.nat(4), { minLength: 1, maxLength: 2 })),
  durations: each(fc.integer({ min: 0, max: 50 })),
  fails: each(fc.boolean()),
  unseen: each(seldom),
  idle: each(seldom),
  on: each(fc.uniqueArray(fc.nat(SIZE - 1), { maxLength: 1 })),
  wave: each(fc.nat(2)),
  canary: fc.boolean(),
  soakMs: fc.nat(30),
  failureBudget: fc.nat(3),
  closesMs: fc.integer({ min: 60, max: 600 }),
  resumes: fc.boolean(),
});

/** Waves and dependencies that a door would let in: a cluster depends on earlier ones of its own wave or an earlier one. */
function scheduled(draw: Drawn): WindowScheduled {
  const clusters = draw.wave.map((_, index) => `c${index}`);
  const wanted = [0, 1, 2]
    .map((wave) => clusters.filter((_, index) => draw.wave[index] === wave))
    .filter((members) => members.length > 0)
    .map((members, index) => ({ clusters: members, canary: draw.canary && index === 0 }));
  const dependsOn: Dependency[] = draw.on.flatMap((on, index) => {
    const earlier = on.filter((other) => other < index && (draw.wave[other] ?? 0) <= (draw.wave[index] ?? 0));
    return earlier.length === 0 ? [] : [{ cluster: `c${index}`, on: earlier.map((other) => `c${other}`) }];
  });
  const arranged = arrange({ clusters, waves: wanted, dependsOn });
  if ('refusals' in arranged) throw new Error(JSON.stringify(arranged.refusals));
  return {
    windowId: 'w',
    clusters,
    rollouts: clusters.map((cluster) => ({ id: `r-${cluster}`, cluster })),
    patchSetId: 'ps',
    playbook: { name: 'p', version: 1 },
    kind: 'patch',
    opensAt: at(0),
    closesAt: at(draw.closesMs),
    tickets: [],
    scheduledBy: 'ada',
    at: at(-1),
    waves: arranged.waves,
    soakMs: draw.soakMs,
    failureBudget: draw.failureBudget,
    dependsOn,
  };
}

const NOTHING: NonNullable<RolloutSeen['ended']> = { result: 'refused', reason: NOTHING_TO_DO, at: at(-1) };

/** A window and its rollouts, one millisecond after the other; each rollout runs for as long as its plan says. */
class Night {
  readonly events: WindowEvent[];
  private rollouts: RolloutSeen[];
  state: Scheduled;
  private readonly endsAtMs = new Map<string, number>();
  readonly breaches: string[] = [];

  constructor(private readonly draw: Drawn) {
    const window = scheduled(draw);
    this.events = [
      { type: 'WindowScheduled', data: window },
      { type: 'WindowOpened', data: { at: at(0) } },
    ];
    this.state = fold(windowDecider, this.events) as Scheduled;
    this.rollouts = window.rollouts.map(({ id, cluster }, index) => ({
      ...unseenRollout(id, cluster),
      planned: draw.unseen[index] !== true,
      hosts: draw.unseen[index] === true ? [] : (draw.hosts[index] ?? []).map(String),
      forwardMs: draw.durations[index] ?? 0,
      wayBackMs: 5,
      ...(draw.idle[index] === true && draw.unseen[index] !== true ? { ended: NOTHING } : {}),
    }));
  }

  /** Answers the told rollouts at the end. */
  run(): ReturnType<typeof rolloutsTold> {
    for (let turn = 0; turn <= MOST_TURNS && !this.isOver(); turn += 1) this.turn(turn * 2);
    return rolloutsTold(this.state, this.rollouts);
  }

  private isOver(): boolean {
    return this.rollouts.every(({ id, ended }) => ended !== null || this.state.givenUp[id] !== undefined);
  }

  private turn(nowMs: number): void {
    this.rollouts = this.rollouts.map((rollout, index) => {
      const endsMs = this.endsAtMs.get(rollout.id);
      if (rollout.ended !== null || endsMs === undefined || endsMs > nowMs) return rollout;
      const result = this.draw.fails[index] === true ? 'failed' : 'succeeded';
      return { ...rollout, ended: { result, reason: 'it ran', at: at(nowMs) } };
    });
    const { state } = this;
    if (state.status === 'held' && this.draw.resumes)
      this.give({ type: 'ResumeWindow', by: ADA, rollouts: this.rollouts, at: at(nowMs) });
    for (const event of this.give({ type: 'AdvanceWindow', rollouts: this.rollouts, at: at(nowMs) })) this.note(event, nowMs);
  }

  private give(command: Parameters<typeof windowDecider.decide>[0]): readonly WindowEvent[] {
    const decision = windowDecider.decide(command, this.state);
    if (!decision.accepted) throw new Error(JSON.stringify(decision.refusals));
    this.events.push(...decision.events);
    this.state = fold(windowDecider, decision.events, this.state) as Scheduled;
    return decision.events;
  }

  private note(event: WindowEvent, nowMs: number): void {
    if (event.type === 'WaveBegun' && event.data.wave === 2) this.afterCanary();
    if (event.type === 'RolloutsBegun') for (const id of event.data.rollouts) this.begin(id, nowMs);
  }

  /** A person let it go on after the canary wave had ended, or one of its members succeeded and none failed. */
  private afterCanary(): void {
    const [first] = this.state.window.waves;
    const types = this.events.map(({ type }) => type);
    if (first?.canary !== true || types.lastIndexOf('WindowResumed') > types.indexOf('WaveEnded')) return;
    const results = this.rollouts.filter(({ cluster }) => first.clusters.includes(cluster)).map(({ ended }) => ended?.result);
    const ran = results.includes('succeeded') && (!results.includes('failed') || types.includes('WindowResumed'));
    if (!ran) this.breaches.push(`wave 2 begun after a canary of ${results.join(', ')}`);
  }

  private begin(id: string, nowMs: number): void {
    const own = this.rollouts.find((rollout) => rollout.id === id) as RolloutSeen;
    const { window, waves } = this.state;
    const say = (broken: boolean, what: string): void => void (broken ? this.breaches.push(`${id}: ${what}`) : undefined);
    const running = this.rollouts.filter((other) => this.endsAtMs.has(other.id) && other.ended === null);
    say(this.endsAtMs.has(id), 'begun twice');
    say(
      running.some((other) => other.hosts.some((host) => own.hosts.includes(host))),
      'shares a host with one that runs',
    );
    const before = dependenciesOf(own.cluster, window.dependsOn).map((on) => this.rollouts.find(({ cluster }) => cluster === on));
    say(
      before.some((other) => other === undefined || !endedWell(other)),
      'begun before one that it depends on has succeeded',
    );
    say(!window.waves[waves.length - 1]?.clusters.includes(own.cluster), 'begun outside its wave');
    say(nowMs + own.forwardMs + own.wayBackMs > this.draw.closesMs, 'could not be back in time');
    this.endsAtMs.set(id, nowMs + own.forwardMs);
  }
}

describe('any window', () => {
  it('begins each rollout once, in its wave, after those it depends on, alone on its hosts, in time to get back; or says why not', () => {
    fc.assert(
      fc.property(drawn, (draw) => {
        const night = new Night(draw);
        const told = night.run();
        expect(night.breaches).toEqual([]);
        for (const { status, reason } of told) {
          expect(['ended', 'given-up']).toContain(status);
          expect(reason).not.toBeNull();
        }
        const failed = told.filter(({ result }) => result === 'failed').length;
        if (!draw.resumes && draw.failureBudget < failed) {
          const heldAt = night.events.findIndex(({ type }) => type === 'WindowHeld');
          const after = night.events.slice(heldAt + 1).map(({ type }) => type);
          if (heldAt >= 0) expect(after).not.toContain('RolloutsBegun');
        }
      }),
      { numRuns: 150 },
    );
  });

  it('is the same window again when its recorded events are folded', () => {
    fc.assert(
      fc.property(drawn, (draw) => {
        const night = new Night(draw);
        night.run();
        const stored = JSON.parse(JSON.stringify(night.events)) as WindowEvent[];
        expect(fold(windowDecider, stored)).toEqual(night.state);
      }),
      { numRuns: 50 },
    );
  });
});
