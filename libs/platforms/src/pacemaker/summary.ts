import type { Availability, ClusterSnapshot, NodeSnapshot, Role } from '@understudy/cluster';
import { leftoversOf } from './leftovers.js';
import type { Answering, PacemakerNode, PacemakerSnapshot } from './snapshot.js';
import {
  activeOf,
  bans,
  isDown,
  isDrained,
  isElectable,
  isHeld,
  isJoinedToAll,
  isKnown,
  isOnline,
  memberOf,
  notPromotable,
  offer,
  picture,
  resourceNamed,
  servedBy,
  serves,
  stackOf,
  unknownOnes,
  viewOf,
} from './topology.js';
import { versionsOf } from './versions.js';

export const PLATFORM = 'pacemaker';
/** Pacemaker counts no bytes: what its resource agent offers is within the limit that the agent itself was given. */
const OFFERED = { bytes: 0, ceilingBytes: 0 };

/** Pure: the general picture out of Pacemaker's own. */
export function summarise(snapshot: PacemakerSnapshot): ClusterSnapshot {
  const questions = openQuestions(snapshot);
  return {
    cluster: snapshot.cluster,
    platform: PLATFORM,
    observedAt: snapshot.observedAt,
    complete: questions.length === 0,
    nodes: snapshot.nodes.map((node) => summariseNode(snapshot, node)),
    disagreements: [...questions, ...disagreements(snapshot)],
  };
}

function summariseNode(snapshot: PacemakerSnapshot, node: PacemakerNode): NodeSnapshot {
  const reason = notPromotable(snapshot, node);
  const joined = isJoinedToAll(snapshot, node);
  return {
    node: node.node,
    host: node.host,
    reachable: node.stack.seen,
    availability: availabilityOf(snapshot, node),
    native: nativeOf(snapshot, node),
    roles: Object.fromEntries(snapshot.workloads.flatMap((workload) => roleOf(snapshot, workload, node))),
    writable: isKnown(node) ? serves(snapshot, node) : null,
    joined,
    electable: isElectable(snapshot, node),
    promotion: reason === undefined ? { promotable: true } : { promotable: false, reason },
    lag: joined && !serves(snapshot, node) ? OFFERED : null,
    versions: versionsOf(node),
    systemIdentifier: null,
    timeline: null,
    bootId: stackOf(node)?.bootId ?? null,
    leftovers: leftoversOf(snapshot, node),
  };
}

function roleOf(snapshot: PacemakerSnapshot, workload: string, node: PacemakerNode): readonly (readonly [string, Role])[] {
  if (activeOf(snapshot, workload) === node) return [[workload, 'active']];
  return memberOf(snapshot, node) !== undefined || isDrained(node) ? [[workload, 'standby']] : [];
}

function availabilityOf(snapshot: PacemakerSnapshot, node: PacemakerNode): Availability {
  if (isDrained(node)) return 'drained';
  if (isDown(node)) return 'down';
  return viewOf(node) !== undefined && isOnline(snapshot, node) ? 'serving' : 'unknown';
}

/** Pacemaker's and systemd's own words, never translated. */
function nativeOf(snapshot: PacemakerSnapshot, node: PacemakerNode): string {
  const [member, stack] = [memberOf(snapshot, node), stackOf(node)];
  const flags = {
    standby: member?.isStandby,
    maintenance: member?.isMaintenance,
    pending: member?.isPending,
    UNCLEAN: member?.isUnclean,
    DC: member?.isDc,
  };
  const words = Object.entries(flags).flatMap(([word, isSo]) => (isSo === true ? [word] : []));
  const scores = snapshot.workloads.flatMap((workload) => {
    const score = offer(snapshot, workload, node);
    return score === undefined || score === null ? [] : [`promotion score of ${workload} ${score}`];
  });
  return [
    member === undefined ? 'no member' : member.isOnline ? 'online' : 'OFFLINE',
    ...words,
    ...scores,
    ...(stack === undefined ? [] : [`pacemaker ${stack.pacemaker.activeState}`, `corosync ${stack.corosync.activeState}`]),
    ...(isHeld(node) ? ['held'] : []),
    ...bans(snapshot, node).map(({ resource }) => `${resource} banned by us`),
  ].join(', ');
}

/** What the driver asked and nobody answered, or not all in the same way: while there is any, the picture is not whole. */
function openQuestions(snapshot: PacemakerSnapshot): readonly string[] {
  const seen = picture(snapshot);
  const unseen = snapshot.nodes.flatMap((node) =>
    node.stack.seen ? [] : [`host ${node.host} could not be looked at: ${node.stack.reason}`],
  );
  if (seen === undefined) return [...unseen, ...unknownOnes(snapshot), 'the cluster cannot be seen from any node'];
  const missing = snapshot.workloads.filter((workload) => resourceNamed(seen.crm.resources, workload) === undefined);
  return [
    ...unseen,
    ...unknownOnes(snapshot),
    ...(seen.crm.hasQuorum ? [] : ['no part of the cluster has a quorum']),
    ...missing.map((workload) => `Pacemaker has no resource ${workload}`),
    ...otherwise(snapshot, seen),
  ];
}

/** Every node that answers has to see the same members online, the same controller, and the workloads in the same places. */
function otherwise(snapshot: PacemakerSnapshot, seen: Answering): readonly string[] {
  const said = (view: Answering): string =>
    JSON.stringify([
      view.crm.dc,
      view.crm.hasQuorum,
      view.crm.members
        .filter(({ isOnline: on }) => on)
        .map(({ name }) => name)
        .sort(),
      snapshot.workloads.map((workload) => servedBy(resourceNamed(view.crm.resources, workload))),
    ]);
  const reference = said(seen);
  return snapshot.nodes.flatMap((node) => {
    const view = viewOf(node);
    return view === undefined || said(view) === reference
      ? []
      : [
          `${node.node} sees the cluster otherwise: controller ${view.crm.dc ?? 'none'}, ${view.crm.hasQuorum ? 'quorum' : 'no quorum'}`,
        ];
  });
}

function disagreements(snapshot: PacemakerSnapshot): readonly string[] {
  const seen = picture(snapshot);
  if (seen === undefined) return [];
  const { crm } = seen;
  const found: string[] = [];
  for (const workload of snapshot.workloads) {
    const by = servedBy(resourceNamed(crm.resources, workload));
    if (by.length > 1) found.push(`${workload} is served by more than one node: ${by.join(', ')}`);
  }
  const names = new Set(snapshot.nodes.map(({ member }) => member));
  const strangers = crm.members.filter(({ name, type }) => type === 'member' && !names.has(name)).map(({ name }) => name);
  if (strangers.length > 0) found.push(`Pacemaker has nodes that are not registered here: ${strangers.join(', ')}`);
  for (const { node, member } of snapshot.nodes)
    if (!crm.members.some(({ name }) => name === member))
      found.push(`Pacemaker has no node ${member}, as which ${node} is registered`);
  const unclean = crm.members.filter(({ isUnclean }) => isUnclean).map(({ name }) => name);
  if (unclean.length > 0) found.push(`${unclean.join(' and ')} is UNCLEAN`);
  if (crm.isMaintenance) found.push('the cluster is in maintenance mode: Pacemaker manages nothing');
  return found;
}
