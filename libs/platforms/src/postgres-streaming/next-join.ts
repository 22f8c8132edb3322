import { act, stuck, wait, type PostgresNext } from './next.js';
import type { Disk, PostgresGoal, PostgresNode, PostgresSnapshot } from './snapshot.js';
import { startOrGiveUp } from './starts.js';
import { answering, diskOf, isWritable, lagBytes, pointsAt, streamsFrom, upstreamOf, writableOnes } from './topology.js';

/** A member again, replicating from the active node on its timeline. Marks that keep it from being elected stay. */
export function nextJoin(snapshot: PostgresSnapshot, goal: PostgresGoal, node: PostgresNode): PostgresNext {
  if (diskOf(node) === undefined) return wait(`host ${node.host} cannot be looked at`);
  const [active, second] = writableOnes(snapshot);
  if (active === undefined) return wait('no node is seen to serve, so there is nothing to join');
  if (second !== undefined)
    return stuck(`nodes ${active.node} and ${second.node} both accept writes: a person must decide which one is right`);
  if (isWritable(node)) return stuck(`node ${node.node} serves: it is the one to join`);
  const lag = lagBytes(node, active);
  if (streamsFrom(node, active) && lag !== null && lag <= snapshot.lagCeilingBytes) return { next: 'done' };
  return follow(goal, node, active) ?? wait(`node ${node.node} does not stream within the lag ceiling yet`);
}

/**
 * The next act that makes `node` a standby of `active`, or undefined when there is nothing left to do but wait. It is
 * made a standby on disk before it is started, so it can never come up as a second primary.
 */
export function follow(
  goal: Pick<PostgresGoal, 'canRepoint' | 'startsInVain'>,
  node: PostgresNode,
  active: PostgresNode,
): PostgresNext | undefined {
  const disk = diskOf(node);
  if (disk === undefined) return undefined;
  const reason = whyNotFollow(goal, node, disk, active);
  if (reason !== undefined) return stuck(reason);
  const missing = missingSlots([node], active);
  if (missing.length > 0) return act({ act: 'create-slots', host: active.host, node: active.node, slots: missing });
  return startOrPoint(goal, node, disk, active);
}

function startOrPoint(
  goal: Pick<PostgresGoal, 'startsInVain'>,
  node: PostgresNode,
  disk: Disk,
  active: PostgresNode,
): PostgresNext | undefined {
  const down = !disk.process && answering(node) === undefined;
  if (down && !disk.standbySignal) return act({ act: 'mark-standby', host: node.host, node: node.node, upstream: active.node });
  const directed = pointsAt(upstreamOf(node), active);
  if (!directed && (down || answering(node)?.inRecovery === true)) {
    return act({ act: 'repoint', host: node.host, node: node.node, upstream: active.node });
  }
  return down ? startOrGiveUp(goal, node) : undefined;
}

function whyNotFollow(
  goal: Pick<PostgresGoal, 'canRepoint'>,
  node: PostgresNode,
  disk: Disk,
  active: PostgresNode,
): string | undefined {
  const above = answering(active)?.systemIdentifier;
  if (disk.control !== null && above !== undefined && disk.control.systemIdentifier !== above) {
    return `node ${node.node} carries other data than ${active.node} (system identifier): it must be made anew from a backup`;
  }
  if (!pointsAt(upstreamOf(node), active) && !goal.canRepoint) {
    return `node ${node.node} does not point at ${active.node}, and no credential for "replication" is defined to point it there`;
  }
  const asPrimary = !disk.process && answering(node) === undefined && !disk.standbySignal;
  return asPrimary ? whyNoStandby(goal, node, disk, active) : undefined;
}

/** Of a node that would start as a primary. */
function whyNoStandby(
  goal: Pick<PostgresGoal, 'canRepoint'>,
  node: PostgresNode,
  disk: Disk,
  active: PostgresNode,
): string | undefined {
  const state = disk.control?.state ?? 'shut-down';
  if (state !== 'shut-down' && state !== 'shut-down-in-recovery') {
    return `node ${node.node} was not shut down cleanly as a primary: it may hold writes that ${active.node} has not got, and must be rewound or made anew`;
  }
  if (goal.canRepoint) return undefined;
  return `node ${node.node} would start as a primary, and no credential for "replication" is defined to make it a standby`;
}

/** Slots that these nodes use, or will use once they are pointed there, and that the active node has not got. */
export function missingSlots(nodes: readonly PostgresNode[], active: PostgresNode): readonly string[] {
  const there = answering(active)?.slots.map((slot) => slot.name);
  if (there === undefined) return [];
  const wanted = nodes.map((node) => (pointsAt(upstreamOf(node), active) ? upstreamOf(node)?.slot : node.slot));
  return wanted.flatMap((slot) => (slot && !there.includes(slot) ? [slot] : []));
}
