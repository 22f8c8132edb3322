import type { Foretold, PacemakerNode, PacemakerSnapshot, Resource } from './snapshot.js';
import { scoreOf } from './readings.js';
import {
  constraints,
  isElectable,
  isJoined,
  isOnline,
  isOurs,
  memberOf,
  notPromotable,
  offer,
  picture,
  resourceNamed,
  servedBy,
  touchedBy,
  votesWithout,
} from './topology.js';

/** Pure: reasons in words for which nothing is begun; undefined: none. */

/** What of the cluster as a whole is in the way of any change. */
export function clusterObstacle(snapshot: PacemakerSnapshot): string | undefined {
  const seen = picture(snapshot);
  if (seen === undefined) return 'the cluster cannot be seen from any node';
  const { crm } = seen;
  if (crm.isMaintenance)
    return 'the cluster is in maintenance mode, so Pacemaker manages nothing. End it: crm_attribute -n maintenance-mode -D';
  if (crm.isStopAll) return 'stop-all-resources is set';
  if (!crm.hasQuorum) return 'the cluster has no quorum';
  const unclean = crm.members.filter(({ isUnclean }) => isUnclean).map(({ name }) => name);
  if (unclean.length > 0) return `${unclean.join(' and ')} is UNCLEAN: it has to be fenced first`;
  if (crm.fencing.length > 0) return `fencing is open or has failed: ${crm.fencing.join('; ')}`;
  return undefined;
}

/** What of the workload's resource is in the way. */
export function workloadObstacle(snapshot: PacemakerSnapshot, workload: string): string | undefined {
  const resource = resourceOf(snapshot, workload);
  if (resource === undefined) return `Pacemaker has no resource ${workload}`;
  const unmanaged = resource.instances.find(({ isManaged }) => !isManaged);
  if (unmanaged !== undefined) return `${unmanaged.id} is not managed: Pacemaker would neither stop nor start it`;
  const blocked = resource.instances.find(({ isBlocked }) => isBlocked);
  if (blocked !== undefined) return `${blocked.id} is blocked: its stop has failed, and Pacemaker does nothing more with it`;
  return undefined;
}

function resourceOf(snapshot: PacemakerSnapshot, workload: string): Resource | undefined {
  return resourceNamed(picture(snapshot)?.crm.resources ?? [], workload);
}

/** What would be missing if the node left. */
export function leavingObstacle(snapshot: PacemakerSnapshot, node: PacemakerNode): string | undefined {
  const votes = votesWithout(snapshot, node);
  if (votes === undefined) return 'corosync does not tell its votes';
  const needed = isTwoNode(snapshot) ? 1 : votes.needed;
  if (isOnline(snapshot, node) && votes.left < needed)
    return `without ${node.node} ${votes.left} votes are left, and ${needed} are needed for a quorum`;
  return undefined;
}

/** Two nodes with `two_node: 1`: one vote is enough for the one that stays. https://manpages.debian.org/bookworm/corosync/votequorum.5.en.html */
export function isTwoNode(snapshot: PacemakerSnapshot): boolean {
  return picture(snapshot)?.quorum.flags.includes('2Node') === true;
}

/** Why the workload cannot go to the node. */
export function targetObstacle(snapshot: PacemakerSnapshot, workload: string, target: PacemakerNode): string | undefined {
  if (!isOnline(snapshot, target)) return `node ${target.node} is not an online member`;
  const member = memberOf(snapshot, target);
  if (member?.isMaintenance === true) return `node ${target.node} is in maintenance mode`;
  if (!isElectable(snapshot, target)) return `node ${target.node} is drained, on standby or banned: join and release it first`;
  const reason = notPromotable(snapshot, target);
  if (reason !== undefined) return `node ${target.node} must not be promoted: ${reason}`;
  return failuresOn(snapshot, workload, target);
}

/** Replicas that run and are not offered: the stop of who serves may wait for them, or they would be left behind. */
export function behindOf(snapshot: PacemakerSnapshot, workload: string): string | undefined {
  const behind = snapshot.nodes.filter(
    (node) => isOnline(snapshot, node) && isElectable(snapshot, node) && !isJoined(snapshot, workload, node),
  );
  return behind.length === 0 ? undefined : behind.map((node) => whyNotOffered(snapshot, workload, node)).join('; ');
}

export function whyNotOffered(snapshot: PacemakerSnapshot, workload: string, node: PacemakerNode): string {
  const score = offer(snapshot, workload, node);
  if (score === undefined) return `${workload} may not run on ${node.node}`;
  const resource = resourceOf(snapshot, workload);
  const role = resource?.instances.find(({ on }) => on.includes(node.member))?.role ?? 'not there';
  const told = score === null ? 'no promotion score' : `the promotion score ${score}`;
  return `the resource agent gives ${workload} on ${node.node} (${role}) ${told}, so it lags, does not replicate, or was not looked at since the last promotion`;
}

function failuresOn(snapshot: PacemakerSnapshot, workload: string, target: PacemakerNode): string | undefined {
  const parts = new Set([
    workload,
    ...(resourceOf(snapshot, workload)?.instances ?? []).map(({ id }) => id.replace(/:\d+$/, '')),
  ]);
  const failure = picture(snapshot)?.crm.failures.find(({ resource, member }) => member === target.member && parts.has(resource));
  return failure === undefined
    ? undefined
    : `Pacemaker remembers a failure there: ${failure.what}. See why, then forget it: crm_resource --cleanup -r ${failure.resource} -N ${failure.member}`;
}

/** Whether the workload is foretold to be served by the node: now, and where it was asked also afterwards. */
export function foretoldElsewhere(trial: Foretold, workload: string, node: PacemakerNode): string | undefined {
  const after = servedBy(resourceNamed(trial.after, workload));
  if (after.length !== 1 || after[0] !== node.member)
    return `Pacemaker’s scheduler foretells that ${workload} would then be served by ${after.join(', ') || 'nobody'}`;
  // Of a promotable clone the copy keeps the promotion scores, which the agent gives anew with each promotion: it says nothing of later.
  if (trial.back === null || resourceNamed(trial.back, workload)?.isPromotable === true) return undefined;
  const back = servedBy(resourceNamed(trial.back, workload));
  return back.length === 1 && back[0] === node.member
    ? undefined
    : `Pacemaker’s scheduler foretells that ${workload} would not stay on ${node.node} (${back.join(', ') || 'nobody'} would serve it): a location constraint outweighs its resource-stickiness`;
}

/** Why the workload would not stay with the node: another one that may run it is preferred by as much as it is sticky, or more. */
export function pulledFrom(snapshot: PacemakerSnapshot, workload: string, { member, node }: PacemakerNode): string | undefined {
  const stickiness = stickinessOf(snapshot, workload);
  const own = preferenceOf(snapshot, workload, member);
  const by = snapshot.nodes.find((other) => preferenceOf(snapshot, workload, other.member) - own >= Math.max(1, stickiness));
  if (by === undefined) return undefined;
  return `location constraints prefer ${by.node} to ${node} for ${workload}, by more than its resource-stickiness of ${stickiness} holds: it would move there by itself. Raise resource-stickiness, or take the constraint away`;
}

export function stickinessOf(snapshot: PacemakerSnapshot, workload: string): number {
  const cib = picture(snapshot)?.cib;
  const own = cib?.resources.find(({ id }) => id === workload)?.meta['resource-stickiness'];
  return (own === undefined ? null : scoreOf(own)) ?? cib?.defaultStickiness ?? 0;
}

/** What the owner's constraints give a member; those that forbid it are another thing. */
function preferenceOf(snapshot: PacemakerSnapshot, workload: string, member: string): number {
  return constraints(snapshot)
    .filter((each) => each.kind === 'rsc_location' && each.resource === workload && each.member === member && !isOurs(each))
    .map(({ score }) => Math.max(0, scoreOf(score ?? '0') ?? 0))
    .reduce((sum, score) => sum + score, 0);
}

/**
 * What a drain would do to others than the workload, by what was foretold: resources that run there must run elsewhere then, and those
 * that move have to be named for it. Copies of a clone only become fewer.
 */
export function drainMoves(snapshot: PacemakerSnapshot, trial: Foretold, node: PacemakerNode): string | undefined {
  for (const resource of picture(snapshot)?.crm.resources ?? []) {
    if (resource.kind === 'clone' || !touchedBy(resource).has(node.member)) continue;
    const after = [...touchedBy(resourceNamed(trial.after, resource.id))].filter((member) => member !== node.member);
    if (after.length === 0) return `${resource.id} runs on ${node.node} and would stop: it can run nowhere else`;
    if (!snapshot.mayMove.includes(resource.id))
      return `${resource.id} runs on ${node.node} and would move to ${after.join(', ')}. Name it in the cluster's setting "mayMove" if it may`;
  }
  return undefined;
}
