import { onHost, stuck, wait, type PatroniNext } from './next.js';
import type { PatroniGoal, PatroniNode, PatroniSnapshot, Unit } from './snapshot.js';
import {
  apiOf,
  ceilingBytes,
  isDown,
  isOff,
  isWritable,
  lagBytes,
  lagsWithin,
  leaderOf,
  OFF_STATES,
  serverOf,
  streams,
  unitOf,
} from './topology.js';

/** PostgreSQL that Patroni could not start for so long is for a person; Patroni tries again in each of its loops. */
const FAILED_PATIENCE_MS = 20_000;
/** A member again, streaming from the leader within the ceiling. The tag that keeps it from being elected stays. */
export function nextJoin(snapshot: PatroniSnapshot, goal: PatroniGoal, node: PatroniNode): PatroniNext {
  const unit = unitOf(node);
  if (unit === undefined) return wait(`host ${node.host} cannot be looked at`);
  if (isWritable(node)) return stuck(`node ${node.node} leads: it is the one to join`);
  const leader = leaderOf(snapshot);
  if (leader === undefined) return wait('no node is seen to lead, so there is nothing to join');
  if (!unit.held && streams(snapshot, node) && lagsWithin(snapshot, node)) return { next: 'done' };
  return comeUp(goal, node, unit) ?? catchUp(snapshot, goal, node, leader);
}

/** The unit, started as a member that is not elected; undefined when it runs. */
export function comeUp(goal: PatroniGoal, node: PatroniNode, unit: Unit): PatroniNext | undefined {
  if (isOff(unit) && !unit.tagged) return onHost(goal, 'tag', node);
  if (unit.held) return onHost(goal, 'free', node);
  return runUnit(goal, node, unit);
}

/** Starts a unit that is off; undefined when it runs and its REST API answers. */
export function runUnit(goal: PatroniGoal, node: PatroniNode, unit: Unit): PatroniNext | undefined {
  // A standby that outlived its Patroni is taken over by the next one.
  if (isOff(unit) && !isDown(node) && serverOf(node)?.inRecovery !== true)
    return wait(`${unit.name} on ${node.node} is off, and something of it still answers`);
  if (isOff(unit)) return onHost(withLastWords(goal, node, unit), 'start', node);
  if (apiOf(node) === undefined)
    return wait(`${unit.name} on ${node.node} is ${unit.activeState}, and its REST API does not answer yet`);
  return undefined;
}

/** What is told when the starts are given up: systemd's word for how the last one ended. */
function withLastWords(goal: PatroniGoal, node: PatroniNode, unit: Unit): PatroniGoal {
  const asked = goal.asked?.get(`start ${node.node}`);
  if (asked === undefined) return goal;
  const said = `${asked.said}; ${unit.name} is ${unit.activeState} (${unit.subState}), and ended with ${unit.result || 'no result'}`;
  return { ...goal, asked: new Map(goal.asked).set(`start ${node.node}`, { ...asked, said }) };
}

function catchUp(snapshot: PatroniSnapshot, goal: PatroniGoal, node: PatroniNode, leader: PatroniNode): PatroniNext {
  const state = apiOf(node)?.member.state ?? '';
  const failed = failedToCome(goal, node);
  if (failed !== undefined) return failed;
  const lag = lagBytes(snapshot, node);
  if (!streams(snapshot, node))
    return wait(`node ${node.node} does not stream from ${leader.node} on its timeline yet (Patroni says: ${state})`);
  return wait(`node ${node.node} is ${lag ?? 'an unknown number of'} bytes behind; the ceiling is ${ceilingBytes(snapshot)}`);
}

/** PostgreSQL below a running Patroni does not come up; undefined while it may. */
export function failedToCome(goal: PatroniGoal, node: PatroniNode): PatroniNext | undefined {
  const state = apiOf(node)?.member.state ?? '';
  if (state === 'stopped' || !(OFF_STATES.has(state) || state === 'stop failed')) return undefined;
  const failingMs = goal.failingMs ?? 0;
  if (failingMs < FAILED_PATIENCE_MS) return wait(`PostgreSQL on ${node.node} does not run (Patroni says: ${state})`);
  return stuck(
    `PostgreSQL on ${node.node} does not start: Patroni has tried for ${Math.round(failingMs / 1_000)} s and says "${state}". Read Patroni's and PostgreSQL's logs there; a member that has diverged must be made anew (patronictl reinit)`,
  );
}
