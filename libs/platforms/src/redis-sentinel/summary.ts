import type { Availability, ClusterSnapshot, NodeSnapshot, Role } from '@understudy/cluster';
import { leftoversOf } from './leftovers.js';
import { placeName } from './settings.js';
import type { Answering, RedisNode, RedisSnapshot } from './snapshot.js';
import {
  canFailOver,
  ceilingBytes,
  isDown,
  isDrained,
  isElectable,
  isFenced,
  isKnown,
  isWritable,
  lagBytes,
  masterOf,
  notPromotable,
  runs,
  sentinelsAgainst,
  serverOf,
  silentSentinels,
  strangeReplicas,
  strangeSentinels,
  streams,
  unitOf,
  unknownOnes,
  viewsOf,
  votesWithout,
  whoIsAt,
} from './topology.js';
import { versionsOf } from './versions.js';

export const PLATFORM = 'redis-sentinel';

/** Pure: the general picture out of Redis's and the Sentinels' own. */
export function summarise(snapshot: RedisSnapshot): ClusterSnapshot {
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

function summariseNode(snapshot: RedisSnapshot, node: RedisNode): NodeSnapshot {
  const bytes = node === masterOf(snapshot) ? null : lagBytes(snapshot, node);
  const reason = notPromotable(node);
  const role = roleOf(node);
  return {
    node: node.node,
    host: node.host,
    reachable: node.unit.seen,
    availability: availabilityOf(node),
    native: nativeOf(snapshot, node),
    roles: role === undefined ? {} : { [snapshot.master]: role },
    writable: isKnown(node) ? isWritable(node) : null,
    joined: isWritable(node) || streams(snapshot, node),
    electable: isElectable(node),
    promotion: reason === undefined ? { promotable: true } : { promotable: false, reason },
    lag: bytes === null ? null : { bytes, ceilingBytes: ceilingBytes(snapshot) },
    versions: versionsOf(node),
    // Redis has no name for its data but its history of replication, which changes with each master.
    systemIdentifier: null,
    timeline: null,
    bootId: unitOf(node)?.bootId ?? null,
    leftovers: leftoversOf(node, masterOf(snapshot)),
  };
}

function roleOf(node: RedisNode): Role | undefined {
  if (isWritable(node)) return 'active';
  return serverOf(node) !== undefined || isDown(node) ? 'standby' : undefined;
}

function availabilityOf(node: RedisNode): Availability {
  if (runs(node)) return 'serving';
  if (isDrained(node)) return 'drained';
  return isDown(node) ? 'down' : 'unknown';
}

/** Redis's and systemd's own words, never translated. */
function nativeOf(snapshot: RedisSnapshot, node: RedisNode): string {
  const [server, unit] = [serverOf(node), unitOf(node)];
  const words = server === undefined ? ['no answer'] : serverWords(snapshot, node, server);
  const state = server === undefined && unit !== undefined ? [`${unit.name} ${unit.activeState} (${unit.subState})`] : [];
  return [...words, ...state, ...(unit?.held === true ? ['held'] : []), ...(unit?.kept ? ['priority noted'] : [])].join(', ');
}

function serverWords(
  snapshot: RedisSnapshot,
  node: RedisNode,
  { role, link, isLoading, priority }: Answering,
): readonly string[] {
  const follows =
    link === null
      ? []
      : isFenced(node)
        ? ['follows itself']
        : [`follows ${whoIsAt(snapshot, link.master)}`, `link ${link.isUp ? 'up' : 'down'}`];
  return [
    role === 'replica' ? 'slave' : 'master',
    ...follows,
    ...(isLoading ? ['loading'] : []),
    ...(priority === 0 ? ['priority 0'] : []),
  ];
}

/** What the driver asked and nobody answered: while there is any, the picture is not whole. */
function openQuestions(snapshot: RedisSnapshot): readonly string[] {
  const unseen = snapshot.nodes.flatMap((node) =>
    node.unit.seen ? [] : [`host ${node.host} could not be looked at: ${node.unit.reason}`],
  );
  return [...unseen, ...unknownOnes(snapshot), ...masterQuestions(snapshot), ...sentinelQuestions(snapshot)];
}

/** Who the master is is settled only when the one who says so, and every Sentinel that answers, agree. */
function masterQuestions(snapshot: RedisSnapshot): readonly string[] {
  const master = masterOf(snapshot);
  if (master !== undefined) return sentinelsAgainst(snapshot, master);
  const named = viewsOf(snapshot).map(({ name, view }) => `${name} names ${whoIsAt(snapshot, view.master)}`);
  return snapshot.nodes.some(isWritable)
    ? []
    : [`no node says that it is the master; ${named.join(', ') || 'no Sentinel answers'}`];
}

/** One that is away may be known to be: its host is down for its patch. Too many, and nobody would fail over. */
function sentinelQuestions(snapshot: RedisSnapshot): readonly string[] {
  const votes = votesWithout(snapshot);
  if (votes === undefined) return ['no Sentinel answers'];
  return canFailOver(votes)
    ? []
    : [`${votes.away.join(' and ')} of ${votes.all} Sentinels are away, and the others could not fail over`];
}

function disagreements(snapshot: RedisSnapshot): readonly string[] {
  const writable = snapshot.nodes.filter(isWritable);
  const found = writable.length > 1 ? [`more than one node accepts writes: ${writable.map(({ node }) => node).join(', ')}`] : [];
  const strangers = strangeSentinels(snapshot).map(({ place }) => placeName(place));
  if (strangers.length > 0) found.push(`the Sentinels know of others that are not registered here: ${strangers.join(', ')}`);
  const replicas = strangeReplicas(snapshot);
  if (replicas.length > 0)
    found.push(`the Sentinels could promote replicas that are not registered here: ${replicas.join(', ')}`);
  const drained = snapshot.nodes.filter(isDrained).map(({ node }) => node);
  const silent = snapshot.sentinels.filter(({ node }) => node === null || !drained.includes(node));
  return [...found, ...silentSentinels({ ...snapshot, sentinels: silent })];
}
