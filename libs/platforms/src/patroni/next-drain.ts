import { parseSynchronousNames } from '../postgres/synchronous-names.js';
import { leavingObstacle } from './guards.js';
import { onHost, stuck, wait, type PatroniNext } from './next.js';
import type { PatroniGoal, PatroniNode, PatroniSnapshot, Unit } from './snapshot.js';
import { isDown, isOff, isSynchronous, isWritable, leaderOf, serverOf, unitOf, unknownOnes, viewedMember } from './topology.js';

/** PostgreSQL that still runs so long after its Patroni has gone is not stopping. */
const OUTLIVED_PATIENCE_MS = 30_000;

/**
 * Out of service and not electable, on disk: the tag for its next start, then the hold, which stops the unit. Nothing is
 * taken from the leader: Patroni itself replaces a synchronous standby before it stops it, and the drain is over when no
 * commit waits for the node any more.
 */
export function nextDrain(snapshot: PatroniSnapshot, goal: PatroniGoal, node: PatroniNode): PatroniNext {
  const unit = unitOf(node);
  if (unit === undefined) return wait(`host ${node.host} cannot be looked at`);
  if (isWritable(node)) return stuck(`node ${node.node} leads: a drain never moves the workload, switch over first`);
  const leader = leaderOf(snapshot);
  if (unit.held && unit.tagged && isDown(node)) return afterStop(snapshot, node);
  if (leader === undefined) return wait('no node is seen to lead, so it cannot be told what the drain would do to the workload');
  if (viewedMember(snapshot, node)?.role === 'leader') return wait(`the store still names ${node.node} as the leader`);
  // Begun: going on is safer than a node that is half out.
  return (unit.held ? undefined : mayNotLeave(snapshot, node)) ?? takeOut(goal, node, unit);
}

function mayNotLeave(snapshot: PatroniSnapshot, node: PatroniNode): PatroniNext | undefined {
  const others = unknownOnes({ ...snapshot, nodes: snapshot.nodes.filter((other) => other !== node) });
  if (others.length > 0) return wait(others.join('; '));
  if (snapshot.config === null) return wait('nobody tells Patroni’s configuration, so its synchronous mode is not known');
  const leader = leaderOf(snapshot);
  if (leader !== undefined && serverOf(leader) === undefined)
    return wait(`the server of ${leader.node} gives no look, so it is not known for whom its commits wait`);
  const obstacle = leavingObstacle(snapshot, node);
  return obstacle === undefined ? undefined : stuck(`node ${node.node} stays: ${obstacle}`);
}

/** The tag first: whoever starts the unit after that starts a member that is not elected. */
function takeOut(goal: PatroniGoal, node: PatroniNode, unit: Unit): PatroniNext {
  if (!unit.tagged) return onHost(goal, 'tag', node);
  if (unit.activeState === 'deactivating') return wait(`${unit.name} on ${node.node} is stopping`);
  if (!unit.held || !isOff(unit)) return onHost(goal, 'hold', node);
  return outlived(goal, node, unit);
}

/** Patroni was killed before it had stopped PostgreSQL (a stop that took too long, as a rule), which runs on below nobody. */
export function outlived(goal: PatroniGoal, node: PatroniNode, { name }: Unit): PatroniNext {
  const forMs = goal.unchangedMs ?? 0;
  if (forMs < OUTLIVED_PATIENCE_MS) return wait(`${name} on ${node.node} has stopped, and something of it still answers`);
  return stuck(
    `${name} on ${node.node} has been off for ${Math.round(forMs / 1_000)} s, and PostgreSQL still runs there: Patroni ended before it had stopped it. Join the node, so that Patroni takes it over, and see why its stop takes longer than the unit's TimeoutStopSec`,
  );
}

/**
 * Until whoever takes writes has taken note: a commit may still wait for the one that left. Where nobody takes writes,
 * nobody waits; that has to be seen, not to be unknown. Names that were set by hand were judged before the stop.
 */
function afterStop(snapshot: PatroniSnapshot, node: PatroniNode): PatroniNext {
  const [writer] = snapshot.nodes.filter(isWritable);
  if (writer === undefined) {
    const unknown = unknownOnes(snapshot);
    return unknown.length === 0
      ? { next: 'done' }
      : wait(`not known whether commits wait for ${node.node}: ${unknown.join('; ')}`);
  }
  if (snapshot.config?.synchronousMode === 'off') return { next: 'done' };
  const server = serverOf(writer);
  if (server === undefined || snapshot.config === null)
    return wait(`not known whether commits on ${writer.node} wait for ${node.node}`);
  const named = parseSynchronousNames(server.synchronousNames).names;
  const isNamed = named.some((name) => name.toLowerCase() === node.member.toLowerCase());
  if (!isNamed && !isSynchronous(snapshot, node)) return { next: 'done' };
  return wait(`${writer.node} still has ${node.node} as a synchronous standby, so commits may wait for it`);
}
