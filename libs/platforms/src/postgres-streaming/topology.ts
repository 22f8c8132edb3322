import { silenceOf } from '../postgres/answering.js';
import type { Answering, Disk, PostgresNode, PostgresSnapshot, Sender, Upstream } from './snapshot.js';

/** Pure readings of a snapshot that summary and verbs share. */

export function answering(node: PostgresNode): Answering | undefined {
  return node.server.says === 'answers' ? node.server : undefined;
}

export function diskOf(node: PostgresNode): Disk | undefined {
  return node.disk.seen ? node.disk : undefined;
}

/** Out of recovery: accepts writes, whatever a read-only default tells clients. */
export function isWritable(node: PostgresNode): boolean {
  return answering(node)?.inRecovery === false;
}

export function writableOnes(snapshot: PostgresSnapshot): readonly PostgresNode[] {
  return snapshot.nodes.filter(isWritable);
}

/** No process of PostgreSQL is there, and nothing answers: certainly down. */
export function isDown(node: PostgresNode): boolean {
  return diskOf(node)?.process === false && answering(node) === undefined;
}

/** Whether it takes writes is known: it answers, or its process is certainly not there. */
export function isKnown(node: PostgresNode): boolean {
  return answering(node) !== undefined || isDown(node);
}

export function nodeNamed(snapshot: PostgresSnapshot, name: string): PostgresNode | undefined {
  return snapshot.nodes.find((node) => node.node === name);
}

/** Sentences about the nodes of which it is not known whether they take writes. */
export function unknownOnes(snapshot: PostgresSnapshot): readonly string[] {
  return snapshot.nodes.filter((node) => !isKnown(node)).map((node) => `node ${node.node}: ${whyUnknown(node)}`);
}

function whyUnknown(node: PostgresNode): string {
  const server =
    node.server.says === 'nothing'
      ? `its server does not answer (${node.server.reason})`
      : `its server: ${silenceOf(node.server)}`;
  return node.disk.seen ? server : `its host could not be looked at (${node.disk.reason}) and ${server}`;
}

export function upstreamOf(node: PostgresNode): Upstream | null {
  return answering(node)?.upstream ?? diskOf(node)?.upstream ?? null;
}

export function pointsAt(upstream: Pick<Upstream, 'host' | 'port'> | null, node: PostgresNode): boolean {
  return upstream !== null && upstream.host === node.address && upstream.port === node.port;
}

/** The WAL sender on `active` that feeds `standby`: by its slot, else by the name it reports. */
export function senderFor(active: PostgresNode, standby: PostgresNode): Sender | undefined {
  const senders = answering(active)?.senders ?? [];
  const upstream = upstreamOf(standby);
  const slot = upstream?.slot;
  const name = upstream?.applicationName ?? (answering(standby)?.clusterName || null);
  return (
    senders.find((sender) => slot !== undefined && slot !== null && sender.slot === slot) ??
    senders.find((sender) => name !== null && sender.applicationName === name)
  );
}

/** The standby receives from `active`, on its timeline, and both sides say so. */
export function streamsFrom(standby: PostgresNode, active: PostgresNode): boolean {
  const [below, above] = [answering(standby), answering(active)];
  if (below === undefined || above === undefined || !below.inRecovery) return false;
  return (
    below.receiver?.status === 'streaming' &&
    pointsAt(below.receiver, active) &&
    below.timeline === above.timeline &&
    below.systemIdentifier === above.systemIdentifier &&
    senderFor(active, standby)?.state === 'streaming'
  );
}

/** Bytes of the active node's WAL that the standby has not replayed; null where it cannot be told (no session, other data). */
export function lagBytes(standby: PostgresNode, active: PostgresNode): number | null {
  const [below, above] = [answering(standby), answering(active)];
  if (below === undefined || above === undefined || below.systemIdentifier !== above.systemIdentifier) return null;
  if (below.replayedLsn === null || above.currentLsn === null || below.timeline > above.timeline) return null;
  return Math.max(0, above.currentLsn - below.replayedLsn);
}

/** Why this node must not be promoted, or undefined. Settings and the user's word; health is judged apart. */
export function notPromotable(node: PostgresNode): string | undefined {
  const server = answering(node);
  if (node.notPromotable !== undefined) return node.notPromotable;
  if (server?.inRecovery !== true) return undefined;
  if (server.applyDelayMs > 0) return `it is a delayed standby (recovery_min_apply_delay = ${server.applyDelayMs} ms)`;
  if (server.replayPaused) return 'its replay is paused';
  return undefined;
}
