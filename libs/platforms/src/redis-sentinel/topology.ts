import { isSamePlace, placeName, type Place } from './settings.js';
import type { Answering, ConfigFile, RedisNode, RedisSnapshot, Sentinel, SentinelView, Unit, ViewedReplica } from './snapshot.js';

/** Pure readings of a snapshot that summary, checks and verbs share. */

/** Redis's default size of the backlog, where nobody tells the master's. */
const DEFAULT_BACKLOG_BYTES = 1_048_576;

export function serverOf(node: RedisNode): Answering | undefined {
  return node.server.says === 'answers' ? node.server : undefined;
}

export function unitOf(node: RedisNode): Unit | undefined {
  return node.unit.seen ? node.unit : undefined;
}

export function nodeNamed(snapshot: RedisSnapshot, name: string): RedisNode | undefined {
  return snapshot.nodes.find((node) => node.node === name);
}

export function nodeAt(snapshot: RedisSnapshot, place: Place | null | undefined): RedisNode | undefined {
  return place ? snapshot.nodes.find((node) => isSamePlace(node, place)) : undefined;
}

/** It says that it is a master: it takes writes, unless too few replicas keep up. */
export function isWritable(node: RedisNode): boolean {
  return serverOf(node)?.role === 'master';
}

/** The only one that takes writes; what the Sentinels say of it is judged apart. */
export function masterOf(snapshot: RedisSnapshot): RedisNode | undefined {
  const writable = snapshot.nodes.filter(isWritable);
  return writable.length === 1 ? writable[0] : undefined;
}

/** Our mark between two masters: a replica of itself follows nobody, and takes no writes. */
export function isFenced(node: RedisNode): boolean {
  const link = serverOf(node)?.link;
  return link !== null && link !== undefined && isSamePlace(link.master, node);
}

/** Nothing of Redis runs there, and nothing answers: certainly down. */
export function isDown(node: RedisNode): boolean {
  const state = unitOf(node)?.activeState;
  return (state === 'inactive' || state === 'failed') && serverOf(node) === undefined;
}

/** Drained by us: held, and down. */
export function isDrained(node: RedisNode): boolean {
  return unitOf(node)?.held === true && isDown(node);
}

/** Whether it takes writes is known. */
export function isKnown(node: RedisNode): boolean {
  return serverOf(node) !== undefined || isDown(node);
}

/** Sentences about the nodes of which it is not known how they are. */
export function unknownOnes(snapshot: RedisSnapshot): readonly string[] {
  return snapshot.nodes.filter((node) => !isKnown(node)).map((node) => `node ${node.node}: ${whyUnknown(node)}`);
}

function whyUnknown({ server, unit }: RedisNode): string {
  const silence = server.says === 'nothing' ? `its Redis does not answer (${server.reason})` : 'its Redis answers';
  return unit.seen
    ? `${silence}; ${unit.name} is ${unit.activeState}`
    : `${silence} and its host could not be looked at (${unit.reason})`;
}

export function runs(node: RedisNode): boolean {
  return serverOf(node)?.isLoading === false;
}

/** A replica that receives the master's stream, in its history: both sides say so. */
export function streams(snapshot: RedisSnapshot, node: RedisNode): boolean {
  const master = masterOf(snapshot);
  const [above, below] = [master && serverOf(master), serverOf(node)];
  if (master === undefined || above === undefined || below === undefined) return false;
  const isRead = above.readers.some((reader) => isSamePlace(reader, node) && reader.state === 'online');
  return isRead && below.history === above.history && !below.isLoading && isLinkedTo(below, master);
}

function isLinkedTo({ link }: Answering, master: RedisNode): boolean {
  return link !== null && link.isUp && !link.isCopying && isSamePlace(link.master, master);
}

/** Bytes of the master's stream that the replica has not got. Null where it cannot be told. */
export function lagBytes(snapshot: RedisSnapshot, node: RedisNode): number | null {
  const master = masterOf(snapshot);
  return master === undefined ? null : bytesBehind(master, node);
}

/** Bytes of the history of `ahead` that `node` has not got; null where their histories are not the same. */
export function bytesBehind(ahead: RedisNode, node: RedisNode): number | null {
  const [above, below] = [serverOf(ahead), serverOf(node)];
  if (above === undefined || below === undefined || above.history !== below.history) return null;
  return Math.max(0, above.offset - below.offset);
}

/** Sentinel has no ceiling in bytes; a replica further behind than the backlog cannot catch up without a whole copy. */
export function ceilingBytes(snapshot: RedisSnapshot): number {
  const master = masterOf(snapshot);
  const bytes = (master && serverOf(master)?.backlogBytes) ?? 0;
  return bytes > 0 ? bytes : DEFAULT_BACKLOG_BYTES;
}

export function lagsWithin(snapshot: RedisSnapshot, node: RedisNode): boolean {
  const lag = lagBytes(snapshot, node);
  return lag !== null && lag <= ceilingBytes(snapshot);
}

/** The priority that its owner gave it: what we noted before we took it away, else what it says, else its file. */
export function ownPriority(node: RedisNode): number | null {
  const unit = unitOf(node);
  return unit?.kept?.priority ?? serverOf(node)?.priority ?? filePriority(unit?.file);
}

function filePriority(file: ConfigFile | undefined): number | null {
  return file?.read === true ? file.priority : null;
}

/** Why a Sentinel, or its owner, never promotes this node; undefined: nothing. What we took away is no such reason. */
export function notPromotable(node: RedisNode): string | undefined {
  if (node.notPromotable !== undefined) return node.notPromotable;
  if (ownPriority(node) === 0) return 'its replica-priority is 0';
  if (serverOf(node)?.isAnnounced === false) return 'it is not announced to the Sentinels (replica-announced no)';
  return undefined;
}

/** Not taken out of election by us. Without a look at its host the priority that it shows decides. */
export function isElectable(node: RedisNode): boolean {
  const unit = unitOf(node);
  if (unit === undefined) return (serverOf(node)?.priority ?? 0) > 0;
  return !unit.held && unit.kept === null;
}

/** Could take over now: streams, caught up, electable, promotable. */
export function isFit(snapshot: RedisSnapshot, node: RedisNode): boolean {
  return (
    streams(snapshot, node) &&
    lagsWithin(snapshot, node) &&
    isElectable(node) &&
    (serverOf(node)?.priority ?? 0) > 0 &&
    notPromotable(node) === undefined
  );
}

/** How the Sentinels that answer see the cluster, each with its name. */
export function viewsOf(snapshot: RedisSnapshot): readonly { readonly name: string; readonly view: SentinelView }[] {
  return snapshot.sentinels.flatMap((sentinel) =>
    sentinel.view.says === 'answers' ? [{ name: sentinelName(sentinel), view: sentinel.view }] : [],
  );
}

export function sentinelName(sentinel: Sentinel): string {
  return sentinel.node === null ? `the Sentinel at ${placeName(sentinel)}` : `the Sentinel of ${sentinel.node}`;
}

export function viewedReplica(view: SentinelView, node: Place): ViewedReplica | undefined {
  return view.replicas.find((replica) => isSamePlace(replica, node));
}

/** Sentences: Sentinels that do not answer. */
export function silentSentinels(snapshot: RedisSnapshot): readonly string[] {
  return snapshot.sentinels.flatMap((sentinel) =>
    sentinel.view.says === 'nothing' ? [`${sentinelName(sentinel)} does not answer (${sentinel.view.reason})`] : [],
  );
}

/** Sentences: what keeps the Sentinels from being of one mind that `master` is the one, and well. */
export function sentinelsAgainst(snapshot: RedisSnapshot, master: RedisNode): readonly string[] {
  return viewsOf(snapshot).flatMap(({ name, view }) => {
    const found: string[] = [];
    if (!isSamePlace(view.master, master))
      found.push(`${name} names ${whoIsAt(snapshot, view.master)} as the master, and ${master.node} says that it is`);
    const bad = view.flags.filter((flag) => flag === 's_down' || flag === 'o_down');
    if (bad.length > 0) found.push(`${name} says that the master is down (${bad.join(', ')})`);
    if (view.isTilted) found.push(`${name} is in TILT mode, as its clock jumped, and takes no part in failovers`);
    return found;
  });
}

export function whoIsAt(snapshot: RedisSnapshot, place: Place): string {
  return nodeAt(snapshot, place)?.node ?? placeName(place);
}

/** Names of the Sentinels that report a failover in progress. */
export function failingOver(snapshot: RedisSnapshot): readonly string[] {
  return viewsOf(snapshot)
    .filter(({ view }) => view.flags.includes('failover_in_progress'))
    .map(({ name }) => name);
}

export interface Votes {
  /** All Sentinels that know of each other. */
  readonly all: number;
  /** Those that are away, or would be, by name or place. */
  readonly away: readonly string[];
  /** How many must agree that the master is down. */
  readonly quorum: number;
}

/** The Sentinels' votes if the host of `leaving` were away too. Undefined: no Sentinel told. */
export function votesWithout(snapshot: RedisSnapshot, leaving?: RedisNode): Votes | undefined {
  const seen = viewsOf(snapshot);
  const [first] = seen;
  if (first === undefined) return undefined;
  const away = snapshot.sentinels
    .filter((sentinel) => sentinel.view.says === 'nothing' || (leaving !== undefined && sentinel.node === leaving.node))
    .map(sentinelName);
  const strangers = strangeSentinels(snapshot).filter(({ isAway }) => isAway);
  return {
    // The one that knows most: one that was restarted has to find the others again.
    all: Math.max(snapshot.sentinels.length, ...seen.map(({ view }) => view.peers.length + 1)),
    away: [...away, ...strangers.map(({ place }) => placeName(place))],
    quorum: Math.max(...seen.map(({ view }) => view.quorum)),
  };
}

/** A majority has to elect who fails over, and as many as the quorum have to agree that it is needed. */
export function canFailOver({ all, away, quorum }: Votes): boolean {
  const left = all - away.length;
  return left > all / 2 && left >= quorum;
}

/** Sentinels that others know of and that are not registered here. */
export function strangeSentinels(snapshot: RedisSnapshot): readonly { readonly place: Place; readonly isAway: boolean }[] {
  const peers = viewsOf(snapshot).flatMap(({ view }) => view.peers);
  const strange = peers.filter((peer) => !snapshot.sentinels.some((sentinel) => isSamePlace(sentinel, peer)));
  const isFirst = (peer: Place, index: number): boolean => strange.findIndex((other) => isSamePlace(other, peer)) === index;
  return strange.filter(isFirst).map((peer) => ({
    place: { address: peer.address, port: peer.port },
    isAway: peer.flags.some((flag) => flag === 's_down' || flag === 'o_down' || flag === 'disconnected'),
  }));
}

/** Places of replicas that a Sentinel could promote and that are not registered here. */
export function strangeReplicas(snapshot: RedisSnapshot): readonly string[] {
  const known = viewsOf(snapshot).flatMap(({ view }) => view.replicas.filter(({ priority }) => priority > 0));
  return [...new Set(known.filter((replica) => nodeAt(snapshot, replica) === undefined).map(placeName))];
}
