import { quorumSurvives, type Availability, type ClusterSnapshot, type NodeSnapshot, type Role } from '@understudy/cluster';
import { silenceOf } from '../postgres/answering.js';
import { leftoversOf } from './leftovers.js';
import type { ApiAnswering, MemberState, PatroniNode, PatroniSnapshot, Unit } from './snapshot.js';
import {
  apiOf,
  ceilingBytes,
  isDown,
  isDrained,
  isElectable,
  isKnown,
  isPaused,
  isWritable,
  lagBytes,
  leaderOf,
  notPromotable,
  OFF_STATES,
  runs,
  serverOf,
  streams,
  timelineOf,
  unitOf,
  unknownOnes,
  viewedMember,
  viewOf,
  votersWithout,
  walEnd,
} from './topology.js';
import { versionsOf } from './versions.js';

export const PLATFORM = 'patroni';

/** Pure: the general picture out of Patroni's own. */
export function summarise(snapshot: PatroniSnapshot): ClusterSnapshot {
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

function summariseNode(snapshot: PatroniSnapshot, node: PatroniNode): NodeSnapshot {
  const bytes = node === leaderOf(snapshot) ? null : lagBytes(snapshot, node);
  const member = apiOf(node)?.member;
  const reason = notPromotable(snapshot, node);
  const role = roleOf(snapshot, node);
  return {
    node: node.node,
    host: node.host,
    reachable: node.unit.seen,
    availability: availabilityOf(node),
    native: nativeOf(snapshot, node),
    roles: role === undefined ? {} : { [snapshot.database]: role },
    writable: isKnown(node) || serverOf(node) !== undefined ? isWritable(node) : null,
    joined: isWritable(node) || streams(snapshot, node),
    electable: isElectable(node),
    promotion: reason === undefined ? { promotable: true } : { promotable: false, reason },
    lag: bytes === null ? null : { bytes, ceilingBytes: ceilingBytes(snapshot) },
    versions: versionsOf(snapshot, node),
    systemIdentifier: member?.systemIdentifier ?? serverOf(node)?.systemIdentifier ?? null,
    timeline: timelineOf(node),
    ...logEndOf(node),
    bootId: unitOf(node)?.bootId ?? null,
    leftovers: leftoversOf(node),
  };
}

function roleOf(snapshot: PatroniSnapshot, node: PatroniNode): Role | undefined {
  if (isWritable(node)) return 'active';
  const isMember = apiOf(node) !== undefined || serverOf(node) !== undefined || viewedMember(snapshot, node) !== undefined;
  return isMember || isDrained(node) ? 'standby' : undefined;
}

function availabilityOf(node: PatroniNode): Availability {
  if (runs(node)) return 'serving';
  if (isDrained(node)) return 'drained';
  if (isDown(node)) return 'down';
  const state = apiOf(node)?.member.state;
  return state !== undefined && OFF_STATES.has(state) ? 'down' : 'unknown';
}

/** Patroni's and systemd's own words, never translated. */
function nativeOf(snapshot: PatroniSnapshot, node: PatroniNode): string {
  const api = apiOf(node);
  const words =
    api === undefined ? silentWords(node) : memberWords(api.member, timelineOf(node), viewedMember(snapshot, node)?.role);
  return [...words, ...ourWords(unitOf(node))].join(', ');
}

function silentWords(node: PatroniNode): readonly string[] {
  const unit = unitOf(node);
  return ['no answer of its REST API', ...(unit === undefined ? [] : [`${unit.name} ${unit.activeState} (${unit.subState})`])];
}

/** @param viewed its role in `/cluster`, shown where it says more than its own, such as `sync_standby`. */
function memberWords(member: MemberState, timeline: number | null, viewed: string | undefined): readonly string[] {
  const flags = Object.entries(member.tags).flatMap(([name, value]) => (value === true ? [name] : []));
  const said = (word: string, isSo: boolean): readonly string[] => (isSo ? [word] : []);
  return [
    member.role === 'replica' && viewed !== undefined && viewed !== 'replica' ? `replica (${viewed})` : member.role,
    member.state,
    `timeline ${timeline ?? 'unknown'}`,
    ...said(`tags ${flags.join(' ')}`, flags.length > 0),
    ...said('replay paused', member.replayPaused),
    ...said('pending restart', member.pendingRestart),
    ...said('cluster paused', member.isPaused),
  ];
}

function ourWords(unit: Unit | undefined): readonly string[] {
  return [...(unit?.held === true ? ['held'] : []), ...(unit?.tagged === true ? ['tagged on disk'] : [])];
}

/** Where its WAL ends: what it has written, or received. */
function logEndOf(node: PatroniNode): Pick<NodeSnapshot, 'logEnd'> {
  const member = apiOf(node)?.member;
  const bytes = member === undefined ? null : walEnd(member);
  if (bytes === null || member === undefined || member.timeline === null) return {};
  return { logEnd: { timeline: member.timeline, bytes } };
}

/** What the driver asked and nobody answered: while there is any, the picture is not whole. */
function openQuestions(snapshot: PatroniSnapshot): readonly string[] {
  const unseen = snapshot.nodes.flatMap((node) =>
    node.unit.seen ? [] : [`host ${node.host} could not be looked at: ${node.unit.reason}`],
  );
  const views = snapshot.nodes.flatMap((node) => {
    const api = apiOf(node);
    return api !== undefined && api.view === null
      ? [`node ${node.node} does not tell its view of the cluster (${api.viewReason})`]
      : [];
  });
  const config = snapshot.config === null ? ['no member tells Patroni’s configuration (/config)'] : [];
  return [...unseen, ...unknownOnes(snapshot), ...views, ...config, ...leaderQuestions(snapshot), ...quorumQuestions(snapshot)];
}

/** Who leads is settled only when the one who says so, and everybody's view, agree. */
function leaderQuestions(snapshot: PatroniSnapshot): readonly string[] {
  const leader = leaderOf(snapshot);
  const named = snapshot.nodes.flatMap((node) => {
    const api = apiOf(node);
    const by = api?.view?.members.find(({ role }) => role === 'leader' || role === 'standby_leader')?.name;
    return api?.view ? [{ node: node.node, leader: by }] : [];
  });
  const others = named.filter((view) => view.leader !== leader?.member);
  if (others.length === 0) return [];
  const words = others.map(({ node, leader: by }) => `${node} names ${by ?? 'nobody'}`).join(', ');
  return leader === undefined
    ? [`no member runs as the primary and holds the leader key, yet in /cluster ${words}`]
    : [`${leader.node} leads and holds the leader key, yet in /cluster ${words}`];
}

function quorumQuestions(snapshot: PatroniSnapshot): readonly string[] {
  const { etcd } = snapshot;
  if (etcd === null) return [];
  if (etcd.voters.length === 0) return etcd.unanswered;
  const voters = votersWithout(snapshot);
  if (voters === undefined || quorumSurvives(voters.all, voters.away.length)) return [];
  return [`etcd has no majority: ${voters.away.join(' and ')} of ${voters.all} voting members are away`];
}

function disagreements(snapshot: PatroniSnapshot): readonly string[] {
  const writable = snapshot.nodes.filter(isWritable);
  const found = writable.length > 1 ? [`more than one node accepts writes: ${writable.map(({ node }) => node).join(', ')}`] : [];
  const identifiers = new Set(
    snapshot.nodes.flatMap((node) => apiOf(node)?.member.systemIdentifier ?? serverOf(node)?.systemIdentifier ?? []),
  );
  if (identifiers.size > 1) found.push(`the nodes carry different data: system identifiers ${[...identifiers].join(', ')}`);
  const names = snapshot.nodes.map(({ member }) => member);
  const strangers = (viewOf(snapshot)?.members ?? []).filter(({ name }) => !names.includes(name)).map(({ name }) => name);
  if (strangers.length > 0) found.push(`Patroni has members that are not registered here: ${strangers.join(', ')}`);
  if (isPaused(snapshot)) found.push('the cluster is paused: Patroni does not fail over');
  for (const node of snapshot.nodes) found.push(...contradictions(snapshot, node));
  return [...found, ...(snapshot.etcd?.voters.length === 0 ? [] : (snapshot.etcd?.unanswered ?? []))];
}

function contradictions(snapshot: PatroniSnapshot, node: PatroniNode): readonly string[] {
  const [api, viewed] = [apiOf(node), viewedMember(snapshot, node)];
  if (api !== undefined) return againstItself(snapshot, node, api);
  if (viewed === undefined || !RUNNING.has(viewed.state)) return [];
  return [`Patroni still lists ${node.node} as ${viewed.state}, and it does not answer: its entry is older than the truth`];
}

function againstItself(snapshot: PatroniSnapshot, node: PatroniNode, { member }: ApiAnswering): readonly string[] {
  const server = serverOf(node);
  const found: string[] = [];
  if (viewedMember(snapshot, node) === undefined && viewOf(snapshot) !== undefined)
    found.push(`node ${node.node} answers, and Patroni's cluster has no member ${node.member}`);
  if (runs(node) && server === undefined)
    found.push(`Patroni says that PostgreSQL on ${node.node} runs, and it does not answer over SQL: ${silenceOf(node.server)}`);
  if (member.role === 'replica' && server?.inRecovery === false)
    found.push(`Patroni says that ${node.node} is a replica, and its server accepts writes`);
  return found;
}

const RUNNING: ReadonlySet<string> = new Set(['running', 'streaming']);
