import { isoOf, msOf } from '../rollout/time.js';
import { dependenciesOf } from './arrange.js';
import { evolveWindow } from './evolve.js';
import { endedWell, type RolloutSeen } from './rollouts.js';
import { spanMs } from './span.js';
import type { GivenUp, Scheduled, WindowEvent, WindowResults } from './window.js';

/**
 * What a window does next with its rollouts: which may begin, which never will, when it stops. Pure: the reactor brings
 * what the rollouts' own events say, and executes.
 */

const OPERATOR = 'an operator: resume the window, or let it close';

/** Everything that is due now, in order. Decided again after each event of it, so that one answer may follow another. */
export function due(state: Scheduled, rollouts: readonly RolloutSeen[], nowMs: number): readonly WindowEvent[] {
  const events: WindowEvent[] = [];
  let turn: Turn = { state, rollouts: inWindow(state, rollouts), nowMs };
  for (;;) {
    const event = nextOf(turn);
    if (event === null) return events;
    events.push(event);
    turn = { ...turn, state: evolveWindow(turn.state, event) as Scheduled };
  }
}

/** When there is something to decide without anything happening: milliseconds since the epoch; null = never. */
export function nextTurnMs(state: Scheduled, rollouts: readonly RolloutSeen[], nowMs: number): number | null {
  const turn = { state, rollouts: inWindow(state, rollouts), nowMs };
  if (!turns(state)) return null;
  const soaks = waveRuns(turn) || state.waves.length === state.window.waves.length ? [] : [soakUntilMs(state)];
  const moments = [...soaks, ...lastBegins(turn).map((last) => last.atMs + 1)].filter((ms) => ms > nowMs);
  return moments.length === 0 ? null : Math.min(...moments);
}

/** Why a rollout has not begun, in words; null = it has, or it has ended, or never will. */
export function waitsFor(state: Scheduled, rollouts: readonly RolloutSeen[], id: string): string | null {
  const turn = { state, rollouts: inWindow(state, rollouts), nowMs: 0 };
  const rollout = remaining(turn).find((candidate) => candidate.id === id);
  if (rollout === undefined) return null;
  switch (state.status) {
    case 'scheduled':
      return `The window opens at ${state.window.opensAt}.`;
    case 'frozen':
      return 'The window is frozen: a person drives.';
    case 'held':
      return `The window is held: ${state.held?.reason}`;
    case 'open':
      return waitsInTurn(turn, rollout);
    default:
      return null;
  }
}

// ---------------------------------------------------------------- one decision after the other

interface Turn {
  readonly state: Scheduled;
  /** In the order of the window's waves. */
  readonly rollouts: readonly RolloutSeen[];
  readonly nowMs: number;
}

function nextOf(turn: Turn): WindowEvent | null {
  if (!turns(turn.state)) return null;
  return waveEnded(turn) ?? overBudget(turn) ?? givenUp(turn) ?? (turn.state.status === 'open' ? begins(turn) : null);
}

/** Does time bring anything? Frozen, nothing moves; aborting, nothing further begins. */
function turns({ status }: Scheduled): boolean {
  return status === 'open' || status === 'held';
}

function inWindow(state: Scheduled, rollouts: readonly RolloutSeen[]): readonly RolloutSeen[] {
  const clusters = state.window.waves.flatMap((wave) => wave.clusters);
  return [...rollouts].sort((left, right) => clusters.indexOf(left.cluster) - clusters.indexOf(right.cluster));
}

function clustersOf(state: Scheduled, wave: number): readonly string[] {
  return state.window.waves[wave - 1]?.clusters ?? [];
}

function ofWave({ state, rollouts }: Turn, wave: number): readonly RolloutSeen[] {
  return rollouts.filter((rollout) => clustersOf(state, wave).includes(rollout.cluster));
}

function waveOf(state: Scheduled, cluster: string): number {
  return state.window.waves.findIndex((wave) => wave.clusters.includes(cluster)) + 1;
}

function hasBegun(state: Scheduled, rollout: RolloutSeen): boolean {
  return rollout.begun || state.begun[rollout.id] !== undefined;
}

/** Over as far as the window is concerned. */
function isOver(state: Scheduled, rollout: RolloutSeen): boolean {
  return rollout.ended !== null || state.givenUp[rollout.id] !== undefined;
}

/** Neither begun nor over. */
function remaining({ state, rollouts }: Turn): readonly RolloutSeen[] {
  return rollouts.filter((rollout) => !hasBegun(state, rollout) && !isOver(state, rollout));
}

function waveRuns({ state }: Turn): boolean {
  return state.waves.at(-1)?.ended === null;
}

function soakUntilMs({ waves }: Scheduled): number {
  const last = waves.at(-1)?.ended;
  return last === undefined || last === null ? 0 : msOf(last.soakUntil);
}

// ---------------------------------------------------------------- the end of a wave

function waveEnded(turn: Turn): WindowEvent | null {
  const { state, nowMs } = turn;
  const wave = state.waves.length;
  const members = ofWave(turn, wave);
  if (!waveRuns(turn) || members.some((rollout) => !isOver(state, rollout))) return null;
  const at = isoOf(nowMs);
  // Where nothing ran, there is nothing to watch.
  const ran = members.some((rollout) => hasBegun(state, rollout));
  const soakUntil = ran ? isoOf(nowMs + state.window.soakMs) : at;
  return { type: 'WaveEnded', data: { wave, results: resultsOf(members), at, soakUntil } };
}

/** How many of these ended with each result; those that never were rollouts are not counted. */
export function resultsOf(rollouts: readonly RolloutSeen[]): WindowResults {
  const results: Record<string, number> = {};
  for (const { ended } of rollouts) if (ended !== null) results[ended.result] = (results[ended.result] ?? 0) + 1;
  return results;
}

// ---------------------------------------------------------------- the failure budget

/** Rollouts of waves that have begun which ended without success, and were neither given up by us nor passed over by a person. */
export function failuresOf(state: Scheduled, rollouts: readonly RolloutSeen[]): readonly RolloutSeen[] {
  return rollouts.filter(
    (rollout) =>
      rollout.ended !== null &&
      !endedWell(rollout) &&
      waveOf(state, rollout.cluster) <= state.waves.length &&
      state.givenUp[rollout.id] === undefined &&
      !state.passedOver.includes(rollout.id),
  );
}

/**
 * The members of a canary wave that has ended without one success, unless a person let the window go on since it ended: given
 * up, never planned, with nothing to do, or failed in the moment in which a person resumed after another failure. None of them
 * has shown that the others may follow.
 */
export function untested(state: Scheduled, rollouts: readonly RolloutSeen[]): readonly RolloutSeen[] {
  const [canary] = state.window.waves;
  const [first] = state.waves;
  if (canary?.canary !== true || first === undefined || first.ended === null || first.passedOver) return [];
  const members = rollouts.filter(({ cluster }) => canary.clusters.includes(cluster));
  const tested = members.some(({ ended }) => ended?.result === 'succeeded');
  return tested ? [] : members;
}

function overBudget(turn: Turn): WindowEvent | null {
  const { state, rollouts } = turn;
  if (state.status === 'held' || remaining(turn).length === 0) return null;
  const failures = failuresOf(state, rollouts);
  const inCanary = state.window.waves[0]?.canary === true ? failures.filter(({ cluster }) => waveOf(state, cluster) === 1) : [];
  if (inCanary.length > 0) return held(turn, `The canary wave had ${named(inCanary)}.`);
  const silent = untested(state, rollouts);
  if (silent.length > 0) {
    const how = silent.map((rollout) => howItEnded(state, rollout)).join('; ');
    return held(turn, `The canary wave has ended, and nothing of it succeeded: ${how}.`);
  }
  const { failureBudget } = state.window;
  if (failures.length <= failureBudget) return null;
  return held(turn, `${failures.length} without success, the failure budget is ${failureBudget}: ${named(failures)}.`);
}

function named(failures: readonly RolloutSeen[]): string {
  return failures.map(({ cluster, ended }) => `${cluster} ${ended?.result} (${ended?.reason})`).join('; ');
}

function howItEnded({ givenUp: late }: Scheduled, rollout: RolloutSeen): string {
  const entry = late[rollout.id];
  return entry === undefined ? named([rollout]) : `${rollout.cluster} was given up (${entry.reason})`;
}

function held({ nowMs }: Turn, reason: string): WindowEvent {
  return { type: 'WindowHeld', data: { by: 'system', reason, at: isoOf(nowMs), whoCanChangeIt: OPERATOR } };
}

// ---------------------------------------------------------------- what never begins

function givenUp(turn: Turn): WindowEvent | null {
  const rollouts = [...forDependencies(turn), ...forTime(turn)];
  const first = rollouts.filter((entry, index) => rollouts.findIndex((other) => other.id === entry.id) === index);
  return first.length === 0 ? null : { type: 'RolloutsGivenUp', data: { rollouts: first, at: isoOf(turn.nowMs) } };
}

function forDependencies(turn: Turn): readonly GivenUp[] {
  return remaining(turn).flatMap((rollout) => {
    const failed = dependedOn(turn, rollout).find((other) => isOver(turn.state, other) && !endedWell(other));
    if (failed === undefined) return [];
    const how = failed.ended === null ? 'was given up' : `ended ${failed.ended.result}`;
    return [{ id: rollout.id, reason: `${failed.cluster}, on which ${rollout.cluster} depends, ${how}.` }];
  });
}

function dependedOn({ state, rollouts }: Turn, { cluster }: RolloutSeen): readonly RolloutSeen[] {
  const on = dependenciesOf(cluster, state.window.dependsOn);
  return rollouts.filter((other) => on.includes(other.cluster));
}

function forTime(turn: Turn): readonly GivenUp[] {
  return lastBegins(turn)
    .filter((last) => last.beginsMs > last.atMs)
    .flatMap((last) => last.rollouts.map(({ id }) => ({ id, reason: last.reason })));
}

/** The last moment at which these may begin so that they end, and get back, inside the window; and when at best they would. */
interface LastBegin {
  readonly rollouts: readonly RolloutSeen[];
  readonly atMs: number;
  readonly beginsMs: number;
  readonly reason: string;
}

/** Of each rollout that waits inside the running wave, and of the next wave as a whole: none leaps over the one before. */
function lastBegins(turn: Turn): readonly LastBegin[] {
  const { state, nowMs } = turn;
  const closesAtMs = msOf(state.window.closesAt);
  const begun = state.waves.length;
  const waiting = remaining(turn).filter(({ cluster }) => waveOf(state, cluster) <= begun);
  const inside = waiting.map((rollout): LastBegin => {
    const atMs = closesAtMs - rollout.forwardMs - rollout.wayBackMs;
    const why = waitsFor(state, turn.rollouts, rollout.id);
    const reason = `It had to begin by ${isoOf(atMs)} to leave time for the way back. ${why}`;
    return { rollouts: [rollout], atMs, beginsMs: nowMs, reason };
  });
  return [...inside, ...ofNextWave(turn, closesAtMs)];
}

function ofNextWave(turn: Turn, closesAtMs: number): readonly LastBegin[] {
  const { state, nowMs } = turn;
  const next = state.waves.length + 1;
  const members = ofWave(turn, next).filter((rollout) => !isOver(state, rollout));
  const behind = remaining(turn).filter(({ cluster }) => waveOf(state, cluster) >= next);
  const [first] = behind;
  // Where one of them moves by itself already, the wave is under way and is not judged as one that could still wait.
  if (first === undefined || members.some((rollout) => hasBegun(state, rollout))) return [];
  const neededMs = spanMs(members, state.window.dependsOn);
  const atMs = closesAtMs - neededMs;
  const why = state.status === 'held' ? waitsFor(state, turn.rollouts, first.id) : waitsInTurn(turn, first);
  const reason = `Wave ${next} takes ${neededMs} ms there and back and had to begin by ${isoOf(atMs)}. ${why}`;
  return [{ rollouts: behind, atMs, beginsMs: waveRuns(turn) ? nowMs : Math.max(nowMs, soakUntilMs(state)), reason }];
}

// ---------------------------------------------------------------- what begins

function begins(turn: Turn): WindowEvent | null {
  const { state, nowMs } = turn;
  const at = isoOf(nowMs);
  const wave = state.waves.length;
  if (waveRuns(turn)) {
    const rollouts = mayBegin(turn, wave).map(({ id }) => id);
    return rollouts.length === 0 ? null : { type: 'RolloutsBegun', data: { wave, rollouts, at } };
  }
  const over = turn.rollouts.every((rollout) => isOver(state, rollout));
  if (over || wave === state.window.waves.length || nowMs < soakUntilMs(state)) return null;
  return { type: 'WaveBegun', data: { wave: wave + 1, at } };
}

/** Those of the wave that wait for nothing: of several that share a host, the first. */
function mayBegin(turn: Turn, wave: number): readonly RolloutSeen[] {
  const chosen: RolloutSeen[] = [];
  for (const rollout of ofWave({ ...turn, rollouts: remaining(turn) }, wave))
    if (obstacle(turn, rollout, chosen) === null) chosen.push(rollout);
  return chosen;
}

function obstacle(turn: Turn, rollout: RolloutSeen, chosen: readonly RolloutSeen[]): string | null {
  if (!rollout.planned) return 'It has not been planned yet: its cluster could not be looked at.';
  const before = dependedOn(turn, rollout).find((other) => !endedWell(other));
  if (before !== undefined) return `${before.cluster}, on which it depends, has not ended.`;
  const running = turn.rollouts.filter((other) => hasBegun(turn.state, other) && other.ended === null);
  for (const other of [...running, ...chosen]) {
    const shared = other.hosts.find((host) => rollout.hosts.includes(host));
    if (shared !== undefined) return `The rollout of ${other.cluster} is on ${shared}, too.`;
  }
  return null;
}

function waitsInTurn(turn: Turn, rollout: RolloutSeen): string {
  const { state } = turn;
  const wave = waveOf(state, rollout.cluster);
  if (wave <= state.waves.length) return obstacle(turn, rollout, []) ?? 'It begins now.';
  if (waveRuns(turn)) return `Wave ${state.waves.length} has not ended.`;
  if (wave > state.waves.length + 1) return `Wave ${wave - 1} has not begun.`;
  return wave === 1 ? 'No wave has begun yet.' : `Wave ${wave - 1} soaks until ${isoOf(soakUntilMs(state))}.`;
}
