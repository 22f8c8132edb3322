import { leavingObstacle } from './guards.js';
import { nextLowered } from './next-priority.js';
import { onNode, stuck, wait, type RedisNext } from './next.js';
import type { RedisGoal, RedisNode, RedisSnapshot, Unit } from './snapshot.js';
import {
  failingOver,
  isDown,
  isWritable,
  masterOf,
  sentinelsAgainst,
  serverOf,
  silentSentinels,
  unitOf,
  unknownOnes,
} from './topology.js';

/**
 * Out of service and not electable, on disk: priority 0 first, until every Sentinel reports it, then the hold, which
 * stops the unit. Nothing is asked of the master: it goes on with the replicas that are left.
 */
export function nextDrain(snapshot: RedisSnapshot, goal: RedisGoal, node: RedisNode): RedisNext {
  const unit = unitOf(node);
  if (unit === undefined) return wait(`host ${node.host} cannot be looked at`);
  if (isWritable(node)) return stuck(`node ${node.node} is the master: a drain never moves the workload, switch over first`);
  if (unit.held && isLowered(unit) && isDown(node)) return { next: 'done' };
  if (masterOf(snapshot) === undefined)
    return wait('no node is seen to be the master, so it cannot be told what the drain would do to the workload');
  // Begun: going on is safer than a node that is half out.
  return (unit.held ? undefined : mayNotLeave(snapshot, node)) ?? takeOut(snapshot, goal, node, unit);
}

function mayNotLeave(snapshot: RedisSnapshot, node: RedisNode): RedisNext | undefined {
  const master = masterOf(snapshot) as RedisNode;
  const others = unknownOnes({ ...snapshot, nodes: snapshot.nodes.filter((other) => other !== node) });
  const open = [...others, ...silentSentinels(snapshot), ...sentinelsAgainst(snapshot, master)];
  if (open.length > 0) return wait(open.join('; '));
  const busy = failingOver(snapshot);
  if (busy.length > 0) return wait(`a failover is in progress: ${busy.join(' and ')} says so`);
  const obstacle = leavingObstacle(snapshot, node);
  return obstacle === undefined ? undefined : stuck(`node ${node.node} stays: ${obstacle}`);
}

function takeOut(snapshot: RedisSnapshot, goal: RedisGoal, node: RedisNode, unit: Unit): RedisNext {
  const lowering = serverOf(node) === undefined || unit.held ? undefined : nextLowered(snapshot, goal, node, 'drain');
  if (lowering !== undefined) return lowering;
  if (!isLowered(unit)) return notLowered(node, unit);
  if (unit.activeState === 'deactivating') return wait(`${unit.name} on ${node.node} is stopping`);
  const isOff = unit.activeState === 'inactive' || unit.activeState === 'failed';
  if (!unit.held || !isOff) return onNode(goal, 'hold', node);
  return wait(`${unit.name} on ${node.node} has stopped, and something of it still answers`);
}

/** Taken out of election by a drain, on disk. */
function isLowered({ kept, file }: Unit): boolean {
  return kept?.purpose === 'drain' && file.read && file.priority === 0;
}

function notLowered(node: RedisNode, unit: Unit): RedisNext {
  return isDown(node)
    ? stuck(`node ${node.node} is down, so its priority cannot be set to 0: start it first, or find out why it is down`)
    : wait(`Redis on ${node.node} does not answer, and its unit is ${unit.activeState}`);
}
