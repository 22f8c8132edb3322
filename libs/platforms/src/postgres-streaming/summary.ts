import type { Availability, ClusterSnapshot, NodeSnapshot, Promotable, Role } from '@understudy/cluster';
import type { PostgresNode, PostgresSnapshot } from './snapshot.js';
import {
  answering,
  diskOf,
  isDown,
  isKnown,
  isWritable,
  lagBytes,
  notPromotable,
  senderFor,
  streamsFrom,
  unknownOnes,
  upstreamOf,
  writableOnes,
} from './topology.js';

export const PLATFORM = 'postgres-streaming';

/** Pure: the general picture out of PostgreSQL's own. */
export function summarise(snapshot: PostgresSnapshot): ClusterSnapshot {
  const unseen = snapshot.nodes.flatMap((node) =>
    node.disk.seen ? [] : [`host ${node.host} could not be looked at: ${node.disk.reason}`],
  );
  const questions = [...unseen, ...unknownOnes(snapshot)];
  return {
    cluster: snapshot.cluster,
    platform: PLATFORM,
    observedAt: snapshot.observedAt,
    complete: questions.length === 0,
    nodes: snapshot.nodes.map((node) => summariseNode(snapshot, node)),
    disagreements: [...questions, ...disagreements(snapshot)],
  };
}

function summariseNode(snapshot: PostgresSnapshot, node: PostgresNode): NodeSnapshot {
  const actives = writableOnes(snapshot);
  const active = actives.length === 1 ? actives[0] : undefined;
  const disk = diskOf(node);
  const server = answering(node);
  const bytes = active === undefined || active === node ? null : lagBytes(node, active);
  const role = roleOf(node);
  return {
    node: node.node,
    host: node.host,
    reachable: node.disk.seen,
    availability: availabilityOf(node),
    native: nativeOf(node) + relaxationOf(snapshot, node),
    roles: role === undefined ? {} : { [snapshot.database]: role },
    writable: isKnown(node) ? isWritable(node) : null,
    joined: isWritable(node) || (active !== undefined && streamsFrom(node, active)),
    electable: isElectable(snapshot, node),
    promotion: promotionOf(snapshot, node),
    lag: bytes === null ? null : { bytes, ceilingBytes: snapshot.lagCeilingBytes },
    versions: { postgresql: { installed: disk?.installedVersion ?? null, running: server?.version ?? null } },
    systemIdentifier: server?.systemIdentifier ?? disk?.control?.systemIdentifier ?? null,
    timeline: server?.timeline ?? disk?.control?.timeline ?? null,
    ...logEndOf(node),
    bootId: disk?.bootId ?? null,
  };
}

/**
 * Where its WAL ends: what it has written, or received (a promotion replays that first). Of one that is stopped the control
 * file tells the last checkpoint: it has that and, unless it was shut down cleanly, perhaps more.
 */
function logEndOf(node: PostgresNode): Pick<NodeSnapshot, 'logEnd'> {
  const server = answering(node);
  const control = diskOf(node)?.control;
  if (server !== undefined) {
    const bytes = server.currentLsn ?? Math.max(server.receivedLsn ?? 0, server.replayedLsn ?? 0);
    return { logEnd: { timeline: server.timeline, bytes } };
  }
  return control ? { logEnd: { timeline: control.timeline, bytes: control.checkpointLsn } } : {};
}

/** Not drained, and commits do not go past it any more: a relaxed setting that names it is an unfinished release. */
function isElectable(snapshot: PostgresSnapshot, node: PostgresNode): boolean {
  return diskOf(node)?.drained === false && keeperFor(snapshot, node) === undefined;
}

function availabilityOf(node: PostgresNode): Availability {
  if (answering(node) !== undefined) return 'serving';
  if (!isDown(node)) return 'unknown';
  return diskOf(node)?.drained === true ? 'drained' : 'down';
}

function roleOf(node: PostgresNode): Role | undefined {
  const server = answering(node);
  if (server !== undefined) return server.inRecovery ? 'standby' : 'active';
  return diskOf(node)?.standbySignal === true ? 'standby' : undefined;
}

/** PostgreSQL's own words, never translated. */
function nativeOf(node: PostgresNode): string {
  const { server } = node;
  const disk = diskOf(node);
  switch (server.says) {
    case 'answers':
      if (!server.inRecovery) return `primary, timeline ${server.timeline}`;
      return `in recovery, timeline ${server.timeline}, WAL receiver ${server.receiver?.status ?? 'not running'}${server.replayPaused ? ', replay paused' : ''}`;
    case 'starting':
      return 'the database system is starting up';
    case 'stopping':
      return 'the database system is shutting down';
    case 'refuses':
      return `runs, and refuses our session: ${server.reason}`;
    case 'nothing':
      if (disk === undefined) return 'no answer';
      return disk.process
        ? 'postmaster runs, no answer'
        : `stopped, control file: ${(disk.control?.state ?? 'unreadable').replaceAll('-', ' ')}`;
  }
}

/** Why a node that streams may not be electable: nothing else in its own words would say so. */
function relaxationOf(snapshot: PostgresSnapshot, node: PostgresNode): string {
  const keeper = keeperFor(snapshot, node);
  return keeper === undefined ? '' : `; synchronous_standby_names on ${keeper.node} is relaxed for it`;
}

function keeperFor(snapshot: PostgresSnapshot, node: PostgresNode): PostgresNode | undefined {
  return snapshot.nodes.find((keeper) => diskOf(keeper)?.relaxedFor === node.node);
}

function promotionOf(snapshot: PostgresSnapshot, node: PostgresNode): Promotable {
  const reason = notPromotable(node) ?? cascaded(snapshot, node);
  return reason === undefined ? { promotable: true } : { promotable: false, reason };
}

function cascaded(snapshot: PostgresSnapshot, node: PostgresNode): string | undefined {
  if (answering(node)?.inRecovery !== true) return undefined;
  const upstream = upstreamOf(node);
  const above = snapshot.nodes.find(
    (other) => other !== node && other.address === upstream?.host && other.port === upstream.port,
  );
  return above !== undefined && answering(above)?.inRecovery === true
    ? `it replicates from the standby ${above.node} (cascaded)`
    : undefined;
}

function disagreements(snapshot: PostgresSnapshot): readonly string[] {
  const actives = writableOnes(snapshot);
  const found = actives.length > 1 ? [`more than one node accepts writes: ${actives.map((node) => node.node).join(', ')}`] : [];
  const identifiers = new Set(
    snapshot.nodes.flatMap((node) => answering(node)?.systemIdentifier ?? diskOf(node)?.control?.systemIdentifier ?? []),
  );
  if (identifiers.size > 1) found.push(`the nodes carry different data: system identifiers ${[...identifiers].join(', ')}`);
  for (const node of snapshot.nodes)
    found.push(...unfinishedRelease(snapshot, node), ...contradictions(snapshot, node, actives[0]));
  return found;
}

/** Says how to mend it too: a rollout that ended with this leaves it to a person. */
function unfinishedRelease(snapshot: PostgresSnapshot, node: PostgresNode): readonly string[] {
  const keeper = keeperFor(snapshot, node);
  if (keeper === undefined || diskOf(node)?.drained !== false) return [];
  return [
    `node ${node.node} is not drained, and synchronous_standby_names on ${keeper.node} is still relaxed for it. Release ${node.node}; or by hand on host ${keeper.host}: put the lines of "relaxed.lines" (in the state folder) into postgresql.auto.conf in the place of synchronous_standby_names, "pg_ctl reload", then remove the files "relaxed" and "relaxed.lines"`,
  ];
}

function contradictions(snapshot: PostgresSnapshot, node: PostgresNode, active: PostgresNode | undefined): readonly string[] {
  const [server, disk] = [answering(node), diskOf(node)];
  const found: string[] = [];
  if (server !== undefined && disk?.process === false) {
    found.push(
      `something answers at ${node.address}:${node.port}, yet no PostgreSQL of ${node.node}'s data folder runs on host ${node.host}`,
    );
  }
  if (
    server?.inRecovery === true &&
    server.receiver?.status === 'streaming' &&
    active !== undefined &&
    senderFor(active, node) === undefined
  ) {
    found.push(`node ${node.node} says that it receives WAL, and ${active.node} has no sender for it`);
  }
  if (server?.inRecovery === true && !server.receiver && snapshot.nodes.length > 1) {
    found.push(`node ${node.node} is in recovery and receives no WAL`);
  }
  return found;
}
