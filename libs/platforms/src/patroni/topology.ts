import type { Answering } from '../postgres/answering.js';
import type {
  ApiAnswering,
  ClusterView,
  EtcdMember,
  MemberState,
  PatroniNode,
  PatroniSnapshot,
  Unit,
  ViewedMember,
} from './snapshot.js';

/** Pure readings of a snapshot that summary, checks and verbs share. */

/** Patroni's default where nobody told the configuration: nothing is allowed beyond it. */
const DEFAULT_CEILING_BYTES = 1_048_576;

export function apiOf(node: PatroniNode): ApiAnswering | undefined {
  return node.api.says === 'answers' ? node.api : undefined;
}

export function serverOf(node: PatroniNode): Answering | undefined {
  return node.server.says === 'answers' ? node.server : undefined;
}

export function unitOf(node: PatroniNode): Unit | undefined {
  return node.unit.seen ? node.unit : undefined;
}

export function nodeNamed(snapshot: PatroniSnapshot, name: string): PatroniNode | undefined {
  return snapshot.nodes.find((node) => node.node === name);
}

/** `master` before Patroni 4.0. */
function isPrimary(api: ApiAnswering | undefined): boolean {
  return api?.member.role === 'primary' || api?.member.role === 'master';
}

/** Accepts writes, as its server says itself; where that does not answer, it may as long as Patroni does not say that it is off. */
export function isWritable(node: PatroniNode): boolean {
  const server = serverOf(node);
  const api = apiOf(node);
  return server === undefined ? isPrimary(api) && !OFF_STATES.has(api?.member.state ?? '') : !server.inRecovery;
}

/** Patroni's words while it runs itself and PostgreSQL does not (`PostgresqlState` in `postgresql/misc.py`). */
export const OFF_STATES: ReadonlySet<string> = new Set([
  'stopped',
  'crashed',
  'start failed',
  'restart failed',
  'initdb failed',
  'custom bootstrap failed',
]);

/**
 * The one that leads: it runs as the primary, says that it holds the leader key, and nobody else takes writes. `/cluster`
 * alone is not believed: without a quorum of the store it goes on naming a leader.
 */
export function leaderOf(snapshot: PatroniSnapshot): PatroniNode | undefined {
  const writable = snapshot.nodes.filter(isWritable);
  const leading = snapshot.nodes.filter((node) => isPrimary(apiOf(node)) && runs(node) && apiOf(node)?.holdsKey === true);
  const [leader] = leading;
  return leading.length === 1 && writable.every((node) => node === leader) ? leader : undefined;
}

/** Nothing of Patroni or PostgreSQL is there, nothing answers and nothing listens: certainly down. */
export function isDown(node: PatroniNode): boolean {
  const unit = unitOf(node);
  return unit !== undefined && isOff(unit) && !unit.listens && apiOf(node) === undefined && node.server.says === 'nothing';
}

/** As systemd has it. PostgreSQL may run on below a Patroni that was killed. */
export function isOff({ activeState }: Unit): boolean {
  return activeState === 'inactive' || activeState === 'failed';
}

/** Drained by us: held, and down. */
export function isDrained(node: PatroniNode): boolean {
  return unitOf(node)?.held === true && isDown(node);
}

/** Whether it takes writes is known. */
export function isKnown(node: PatroniNode): boolean {
  return apiOf(node) !== undefined || isDown(node);
}

/** Sentences about the nodes of which it is not known how they are. */
export function unknownOnes(snapshot: PatroniSnapshot): readonly string[] {
  return snapshot.nodes.filter((node) => !isKnown(node)).map((node) => `node ${node.node}: ${whyUnknown(node)}`);
}

function whyUnknown(node: PatroniNode): string {
  const silence = node.api.says === 'nothing' ? `its REST API does not answer (${node.api.reason})` : 'its REST API answers';
  const { unit } = node;
  if (!unit.seen) return `${silence} and its host could not be looked at (${unit.reason})`;
  const still = node.server.says === 'nothing' && !unit.listens ? '' : ', while PostgreSQL still runs';
  return `${silence}; ${unit.name} is ${unit.activeState}${still}`;
}

/** The leader's own view of the cluster, else that of anybody. */
export function viewOf(snapshot: PatroniSnapshot): ClusterView | undefined {
  const leader = leaderOf(snapshot);
  const views = [...(leader === undefined ? [] : [leader]), ...snapshot.nodes].map((node) => apiOf(node)?.view);
  return views.find((view) => view !== null && view !== undefined) ?? undefined;
}

/** How the cluster sees this member; undefined: it is no member, or nobody told. */
export function viewedMember(snapshot: PatroniSnapshot, node: PatroniNode): ViewedMember | undefined {
  return viewOf(snapshot)?.members.find((member) => member.name === node.member);
}

export function isPaused(snapshot: PatroniSnapshot): boolean {
  return snapshot.nodes.some((node) => apiOf(node)?.member.isPaused === true || apiOf(node)?.view?.isPaused === true);
}

export function scheduledSwitchover(snapshot: PatroniSnapshot): string | undefined {
  return snapshot.nodes.flatMap((node) => apiOf(node)?.view?.scheduledSwitchover ?? [])[0];
}

/** Of a healthy replica: `streaming` since 4.0, `running` before, which says nothing about the stream. */
export function runs(node: PatroniNode): boolean {
  const state = apiOf(node)?.member.state;
  return state === 'running' || state === 'streaming';
}

/** A replica that receives from the leader, or from one that does, on the leader's timeline: both sides say so. */
export function streams(snapshot: PatroniSnapshot, node: PatroniNode): boolean {
  const leader = leaderOf(snapshot);
  const member = apiOf(node)?.member;
  if (leader === undefined || member?.role !== 'replica' || !runs(node)) return false;
  if (member.replicationState !== null && member.replicationState !== 'streaming') return false;
  const timeline = timelineOf(node);
  if (timeline === null || timeline !== timelineOf(leader)) return false;
  if (member.systemIdentifier !== apiOf(leader)?.member.systemIdentifier) return false;
  return receives(node) && snapshot.nodes.some((other) => other !== node && feeds(other, node));
}

/** By its own server, where that answers: a sender lives on for a while after its receiver has died. */
function receives(node: PatroniNode): boolean {
  const server = serverOf(node);
  if (server === undefined) return true;
  // Without the right to see it, its state is null.
  return server.receiver !== null && (server.receiver.status ?? 'streaming') === 'streaming';
}

/** Patroni tells no timeline of a replica whose receiver has heard nothing yet; the server itself does. */
export function timelineOf(node: PatroniNode): number | null {
  return apiOf(node)?.member.timeline ?? serverOf(node)?.timeline ?? null;
}

/** It has a WAL sender that streams to this node, by Patroni's word or its own. */
function feeds(above: PatroniNode, below: PatroniNode): boolean {
  const name = below.member.toLowerCase();
  const told = apiOf(above)?.member.senders.find(({ member }) => member.toLowerCase() === name);
  const asked = serverOf(above)?.senders.find(({ applicationName }) => applicationName.toLowerCase() === name);
  return (told ?? asked)?.state === 'streaming';
}

/** The standby that this one receives from, where it does not receive from the leader. */
export function cascadesFrom(snapshot: PatroniSnapshot, node: PatroniNode): PatroniNode | undefined {
  const leader = leaderOf(snapshot);
  if (leader === undefined || feeds(leader, node)) return undefined;
  return snapshot.nodes.find((other) => other !== node && other !== leader && feeds(other, node));
}

/**
 * Bytes of the leader's WAL that the replica has not got, by position: Patroni's own figure is up to a loop old. What is
 * received counts, as in Patroni's own rule of promotion. Null where it cannot be told.
 */
export function lagBytes(snapshot: PatroniSnapshot, node: PatroniNode): number | null {
  const leader = leaderOf(snapshot);
  const above = leader && apiOf(leader)?.member;
  const below = apiOf(node)?.member;
  if (above === undefined || below === undefined || !areComparable(above, below)) return null;
  const end = walEnd(below);
  return above.location === null || end === null ? null : Math.max(0, above.location - end);
}

/** The same data, and no timeline that the leader has not reached. */
function areComparable(above: MemberState, below: MemberState): boolean {
  if (above.systemIdentifier !== below.systemIdentifier) return false;
  return below.timeline === null || above.timeline === null || below.timeline <= above.timeline;
}

/** Where a member's WAL ends: what it has written, or received or replayed, whichever is further. */
export function walEnd({ location, received, replayed }: MemberState): number | null {
  if (location !== null) return location;
  return received === null && replayed === null ? null : Math.max(received ?? 0, replayed ?? 0);
}

export function ceilingBytes(snapshot: PatroniSnapshot): number {
  return snapshot.config?.lagCeilingBytes ?? DEFAULT_CEILING_BYTES;
}

export function lagsWithin(snapshot: PatroniSnapshot, node: PatroniNode): boolean {
  const lag = lagBytes(snapshot, node);
  return lag !== null && lag <= ceilingBytes(snapshot);
}

/** Why Patroni, or its owner, never promotes this node: what does not change with roles. Undefined: nothing. */
export function standingReason(node: PatroniNode): string | undefined {
  const api = apiOf(node);
  if (node.notPromotable !== undefined) return node.notPromotable;
  // Ours comes with a drain and goes with its release: electable says that.
  if (api?.member.tags.nofailover === true && unitOf(node)?.tagged !== true) return 'it has the tag nofailover';
  const delayMs = serverOf(node)?.inRecovery === true ? (serverOf(node)?.applyDelayMs ?? 0) : 0;
  if (delayMs > 0) return `it is a delayed standby (recovery_min_apply_delay = ${delayMs} ms)`;
  return undefined;
}

/** Why this replica must not be promoted now, or undefined. Whether it is healthy and caught up is judged apart. */
export function notPromotable(snapshot: PatroniSnapshot, node: PatroniNode): string | undefined {
  const standing = standingReason(node);
  if (standing !== undefined) return standing;
  const member = apiOf(node)?.member;
  if (member === undefined || isWritable(node)) return undefined;
  if (isReplayPaused(node, member)) return 'its replay is paused';
  if (member.isWatchdogFailed) return 'its watchdog cannot be used, and Patroni requires it';
  const lost = lostToStore(snapshot, node, member);
  if (lost !== undefined) return lost;
  const above = cascadesFrom(snapshot, node);
  if (above !== undefined) return `it replicates from the standby ${above.node} (cascaded)`;
  if (snapshot.config?.synchronousMode === 'on' && !isSynchronous(snapshot, node))
    return 'it is no synchronous standby, and in synchronous mode Patroni promotes no other';
  return undefined;
}

/** It shows a lag of 0 then, and would hold the promotion up. */
function isReplayPaused(node: PatroniNode, member: MemberState): boolean {
  return member.replayPaused || serverOf(node)?.replayPaused === true;
}

function lostToStore(snapshot: PatroniSnapshot, node: PatroniNode, { storeUnseenMs }: MemberState): string | undefined {
  const unseenMs = storeUnseenMs ?? 0;
  if (unseenMs > storePatienceMs(snapshot)) return `it has not reached Patroni’s store for ${Math.round(unseenMs / 1_000)} s`;
  const isListed = viewOf(snapshot) === undefined || viewedMember(snapshot, node) !== undefined;
  return isListed ? undefined : 'Patroni’s store does not list it as a member';
}

/** A member looks at its store in each loop, and tries for so long when it does not answer; it tells whole seconds. */
function storePatienceMs({ config }: PatroniSnapshot): number {
  return (config?.loopWaitMs ?? 10_000) + (config?.retryTimeoutMs ?? 10_000) + 2_000;
}

/** As the store has it, or its own account. */
export function isSynchronous(snapshot: PatroniSnapshot, node: PatroniNode): boolean {
  const role = viewedMember(snapshot, node)?.role;
  return (
    role === 'sync_standby' || role === 'quorum_standby' || (role === undefined && apiOf(node)?.member.isSynchronous === true)
  );
}

/** Not taken out of election by us: nothing of ours lies there, and a tag that its owner has not declared is not in force. */
export function isElectable(node: PatroniNode): boolean {
  const unit = unitOf(node);
  if (unit === undefined) return apiOf(node)?.member.tags.nofailover === false;
  const isTagged = node.notPromotable === undefined && apiOf(node)?.member.tags.nofailover === true;
  return !unit.held && !unit.tagged && !isTagged;
}

/** Could take over now: streams, caught up, electable, promotable. */
export function isFit(snapshot: PatroniSnapshot, node: PatroniNode): boolean {
  return (
    streams(snapshot, node) &&
    lagsWithin(snapshot, node) &&
    isElectable(node) &&
    apiOf(node)?.member.tags.nofailover === false &&
    notPromotable(snapshot, node) === undefined
  );
}

/** What of etcd would be away besides what is already, if the host of `leaving` were. Undefined: no etcd member is known. */
export function votersWithout(
  snapshot: PatroniSnapshot,
  leaving?: PatroniNode,
): { all: number; away: readonly string[] } | undefined {
  const voters = snapshot.etcd?.voters ?? [];
  if (voters.length === 0) return undefined;
  const isAway = (voter: EtcdMember): boolean => !voter.isHealthy || (leaving !== undefined && voter.node === leaving.node);
  return { all: voters.length, away: voters.filter(isAway).map(({ name }) => name) };
}
