import { nextDrain } from './next-drain.js';
import { act, stuck, wait, type PostgresNext } from './next.js';
import { nextJoin } from './next-join.js';
import { nextSwitchover } from './next-switchover.js';
import type { PostgresGoal, PostgresNode, PostgresSnapshot } from './snapshot.js';
import { startOrGiveUp } from './starts.js';
import { answering, diskOf, isDown, nodeNamed, streamsFrom, unknownOnes, writableOnes } from './topology.js';

/**
 * The next act towards a goal, from one observation alone. Pure: the same on a real cluster and in a simulated one.
 * Each answer presumes nothing about earlier acts, so a crash between any two of them changes nothing.
 */
export function nextAct(snapshot: PostgresSnapshot, goal: PostgresGoal): PostgresNext {
  const node = nodeNamed(snapshot, goal.node);
  if (node === undefined) return stuck(`there is no node ${goal.node} in cluster ${snapshot.cluster}`);
  switch (goal.verb) {
    case 'drain':
      return nextDrain(snapshot, goal, node);
    case 'join':
      return nextJoin(snapshot, goal, node);
    case 'release':
      return nextRelease(snapshot, node);
    case 'switchover':
      return nextSwitchover(snapshot, goal, node);
    case 'stop':
      return nextStop(node);
    case 'start':
      return nextStart(snapshot, goal, node);
  }
}

/** Electable again. Only a streaming standby may count for commits, or they would hang. */
function nextRelease(snapshot: PostgresSnapshot, node: PostgresNode): PostgresNext {
  const disk = diskOf(node);
  if (disk === undefined) return wait(`host ${node.host} cannot be looked at`);
  const unseen = snapshot.nodes.find((other) => diskOf(other) === undefined);
  if (unseen !== undefined) return wait(`host ${unseen.host} cannot be looked at, and a relaxed setting may be kept there`);
  const keeper = snapshot.nodes.find((other) => diskOf(other)?.relaxedFor === node.node);
  if (!disk.drained && keeper === undefined) return { next: 'done' };
  const active = writableOnes(snapshot)[0];
  if (active === undefined) return wait('no node is seen to serve');
  if (active !== node && !streamsFrom(node, active))
    return stuck(`node ${node.node} does not stream from ${active.node}: join it before it is released`);
  if (keeper !== undefined) return act({ act: 'restore-synchronous', host: keeper.host, node: keeper.node });
  return act({ act: 'release', host: node.host, node: node.node });
}

function nextStop(node: PostgresNode): PostgresNext {
  const disk = diskOf(node);
  if (disk === undefined) return wait(`host ${node.host} cannot be looked at`);
  if (isDown(node)) return { next: 'done' };
  return disk.process ? act({ act: 'stop', host: node.host, node: node.node }) : wait(`node ${node.node} is stopping`);
}

/** Starts it as what its files say. A node whose files say primary is started only if no other one can be taking writes. */
function nextStart(snapshot: PostgresSnapshot, goal: PostgresGoal, node: PostgresNode): PostgresNext {
  const disk = diskOf(node);
  if (disk === undefined) return wait(`host ${node.host} cannot be looked at`);
  if (answering(node) !== undefined) return { next: 'done' };
  if (disk.process) return wait(`node ${node.node} is starting`);
  if (disk.drained) return stuck(`node ${node.node} is drained: join it`);
  if (!disk.standbySignal) {
    const others = { ...snapshot, nodes: snapshot.nodes.filter((other) => other !== node) };
    const writable = writableOnes(others)[0];
    if (writable !== undefined)
      return stuck(`node ${node.node} would start as a primary while ${writable.node} serves: join it as a standby`);
    const unknown = unknownOnes(others);
    if (unknown.length > 0) return wait(`node ${node.node} would start as a primary, and ${unknown.join('; ')}`);
  }
  return startOrGiveUp(goal, node);
}
