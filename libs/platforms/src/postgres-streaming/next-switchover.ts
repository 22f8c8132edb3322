import { stuck, type PostgresNext } from './next.js';
import { follow, missingSlots } from './next-join.js';
import type {
  ControlState,
  Disk,
  PostgresAct,
  PostgresGoal,
  PostgresNode,
  PostgresSnapshot,
  SwitchoverMark,
} from './snapshot.js';
import {
  answering,
  diskOf,
  isDown,
  lagBytes,
  nodeNamed,
  notPromotable,
  pointsAt,
  streamsFrom,
  unknownOnes,
  upstreamOf,
  writableOnes,
} from './topology.js';

/** A WAL sender that has not confirmed a fresh position for this long is a laggard; nothing is stopped then. */
const SENDER_PATIENCE_MS = 2_000;
/** A confirmation older than this proves nothing about now: ask again. */
const FRESH_FOR_MS = 8_000;
/** How long a resumed switchover waits beyond the stop's deadline, by the host's own clock, before it goes back. */
const RESUME_MARGIN_MS = 2_000;
/** A standby asks its active node for WAL again at least this often: twice PostgreSQL's default (`wal_retrieve_retry_interval`). */
const RECONNECT_MS = 10_000;
/** What the promotion, or the start of the old active node, is given after that: no stop is begun with less time left. */
const REST_LIMIT_MS = 5_000;

/**
 * A planned switchover without loss, in an order that never lets two nodes take writes:
 * fresh position confirmed by every WAL sender; checkpoint; stop the active node and, in the same act, mark it durably as a
 * standby; its `CHECKPOINT_SHUTDOWN` replayed on the target; the promotion announced on the old active node's host; only
 * then the promotion; slots; every other node follows.
 * Until it is announced nothing can have been promoted, and there is a way back that needs nobody but the old active node:
 * it is started again as what it was. After that the target has to be seen. The mark as a standby before the record costs
 * nothing (the way back takes it away) and saves a round trip to the host in the time without service.
 */
export function nextSwitchover(snapshot: PostgresSnapshot, goal: PostgresGoal, target: PostgresNode): PostgresNext {
  const [active, second] = writableOnes(snapshot);
  if (second !== undefined && active !== undefined) {
    return stuck(`nodes ${active.node} and ${second.node} both accept writes: a person must decide which one is right`);
  }
  if (active === undefined) return withNobodyServing(snapshot, goal, target);
  return active === target ? afterPromotion(snapshot, goal, target) : beforeStop(snapshot, goal, target, active);
}

function beforeStop(snapshot: PostgresSnapshot, goal: PostgresGoal, target: PostgresNode, active: PostgresNode): PostgresNext {
  const disk = diskOf(active);
  if (disk === undefined) return wait(`host ${active.host} cannot be looked at`, false);
  // Left by a switchover that ended another way: with nobody serving it would be taken for the one under way.
  const stale = snapshot.nodes.find((node) => node !== active && diskOf(node)?.switchover);
  if (stale !== undefined) return act({ act: 'end-switchover', host: stale.host, node: stale.node }, false);
  const mark = disk.switchover?.key === goal.key ? disk.switchover : undefined;
  if (mark?.returned === true || mark?.returning === true) {
    return stuck(
      `the switchover was given up and ${active.node} was started again: its stop did not lead to a state in which ${target.node} could take over in time`,
    );
  }
  // It serves, so a standby's signal on its disk is left from a start in between: it would come back as a standby.
  if (disk.standbySignal) return act({ act: 'unmark-standby', host: active.host, node: active.node }, false);
  return notReady(snapshot, goal, target, active) ?? lastPreparations(snapshot, goal, { target, active, mark });
}

function notReady(
  snapshot: PostgresSnapshot,
  goal: PostgresGoal,
  target: PostgresNode,
  active: PostgresNode,
): PostgresNext | undefined {
  const unfit = whyUnfit(target) ?? whyNoWayAfter(goal);
  if (unfit !== undefined) return stuck(unfit);
  const behind = whyBehind(snapshot, target, active);
  if (behind !== undefined) return reconnects(target, active) ? wait(behind, false) : stuck(behind);
  const unknown = unknownOnes(snapshot);
  return unknown.length > 0 ? wait(unknown.join('; '), false) : undefined;
}

function whyNoWayAfter(goal: PostgresGoal): string | undefined {
  if (goal.canRepoint) return undefined;
  return 'no credential for "replication" is defined: the old active node could not be made a standby';
}

function lastPreparations(
  snapshot: PostgresSnapshot,
  goal: PostgresGoal,
  { target, active, mark }: { target: PostgresNode; active: PostgresNode; mark: SwitchoverMark | undefined },
): PostgresNext {
  const stale = staleSlots(snapshot, target);
  if (stale.length > 0) return act({ act: 'drop-slots', host: target.host, node: target.node, slots: stale }, false);
  const usable = mark !== undefined && mark.target === target.node && mark.freshAgeMs <= FRESH_FOR_MS;
  return usable ? confirmedByAll(goal, target, active, mark) : recordPosition(active, target, 1);
}

/** A checkpoint after this position makes the stop short, and its record is what every WAL sender has to confirm. */
function recordPosition(active: PostgresNode, target: PostgresNode, round: number): PostgresNext {
  const lsn = answering(active)?.currentLsn ?? 0;
  return act({ act: 'record-position', host: active.host, node: active.node, target: target.node, lsn, round }, false);
}

/** Every WAL sender of any kind: a fast stop waits for each of them, and all of that would be outage. */
function confirmedByAll(goal: PostgresGoal, target: PostgresNode, active: PostgresNode, mark: SwitchoverMark): PostgresNext {
  const checkpoint = diskOf(active)?.control?.checkpointLsn ?? 0;
  if (checkpoint < mark.freshLsn) return act({ act: 'checkpoint', host: active.host, node: active.node }, false);
  const senders = answering(active)?.senders ?? [];
  const behind = senders.filter(
    (sender) => sender.state !== 'streaming' || sender.confirmedLsn === null || sender.confirmedLsn <= checkpoint,
  );
  if (behind.length === 0) return answering(target)?.showsRecords ? stopActive(goal, active, target) : cannotTell(target, mark);
  const names = behind.map((sender) => `${sender.applicationName} (pid ${sender.pid}, ${sender.state})`).join(', ');
  if (mark.freshAgeMs < SENDER_PATIENCE_MS) return wait(`not yet confirmed by ${names}`, false);
  // The checkpoint itself may have taken that long: once more, with a checkpoint that has little to write.
  if (mark.round < 2) return recordPosition(active, target, 2);
  return stuck(
    `nothing was stopped: ${names} did not confirm a fresh WAL position within ${SENDER_PATIENCE_MS} ms, and stopping ${active.node} would wait for it. Mend or end that receiver, then try again`,
  );
}

/** Without being able to read WAL records there it could never be proven that the target has everything. */
function cannotTell(target: PostgresNode, mark: SwitchoverMark): PostgresNext {
  if (mark.freshAgeMs < SENDER_PATIENCE_MS) return wait(`node ${target.node} has not shown the last checkpoint yet`, false);
  return stuck(
    `nothing was stopped: node ${target.node} does not show the record of the last checkpoint, so it could not be proven that it has everything. See that it replays, and that the extension pg_walinspect works there`,
  );
}

/** Once it is stopped there must be time to promote, or to miss the stop and start it again, whatever happens. */
function stopActive(goal: PostgresGoal, active: PostgresNode, target: PostgresNode): PostgresNext {
  const { stopDeadlineMs, remainingMs = Infinity } = goal;
  const neededMs = stopDeadlineMs + RESUME_MARGIN_MS + REST_LIMIT_MS;
  if (remainingMs >= neededMs) {
    const { host, node } = active;
    return act({ act: 'stop-active', host, node, limitMs: stopDeadlineMs, upstream: target.node }, false);
  }
  return stuck(
    `nothing was stopped: ${remainingMs} ms are left, and from the stop of ${active.node} to a node that serves it may take ${neededMs} ms. Try again with a later deadline`,
  );
}

function whyUnfit(target: PostgresNode): string | undefined {
  const disk = diskOf(target);
  if (disk === undefined) return `host ${target.host} of ${target.node} cannot be looked at`;
  if (disk.drained) return `node ${target.node} is drained: release it first`;
  const reason = notPromotable(target);
  return reason === undefined ? undefined : `node ${target.node} must not be promoted: ${reason}`;
}

function whyBehind(snapshot: PostgresSnapshot, target: PostgresNode, active: PostgresNode): string | undefined {
  if (!streamsFrom(target, active)) return `node ${target.node} does not stream from ${active.node} on its timeline`;
  const lag = lagBytes(target, active);
  if (lag !== null && lag <= snapshot.lagCeilingBytes) return undefined;
  return `node ${target.node} is ${lag ?? 'an unknown number of'} bytes behind ${active.node}; the ceiling is ${snapshot.lagCeilingBytes}`;
}

/** The active node was started a moment ago (by hand, after we stopped it): its standbys have not asked it again yet. */
function reconnects(target: PostgresNode, active: PostgresNode): boolean {
  const isNew = (answering(active)?.upForMs ?? Infinity) < RECONNECT_MS;
  return isNew && answering(target)?.inRecovery === true && pointsAt(upstreamOf(target), active);
}

/** Whoever began the switchover that stopped the active node, under whichever key: service comes first. */
function withNobodyServing(snapshot: PostgresSnapshot, goal: PostgresGoal, target: PostgresNode): PostgresNext {
  const stopped = stoppedByUs(snapshot);
  if (stopped === undefined) {
    const unknown = unknownOnes(snapshot);
    if (unknown.length > 0) return wait(unknown.join('; '), false);
    return stuck('no node serves, and not because of a switchover of ours: restoring service is for a person to decide');
  }
  const { old, disk, mark } = stopped;
  if (mark.returning && !disk.process && mayStillReturn(snapshot, stopped)) return goBack(stopped);
  if (old === target) return backToOld(snapshot, stopped);
  if (mark.target !== target.node) {
    return stuck(`a switchover from ${old.node} to ${mark.target} is under way: go on with that one, or back to ${old.node}`);
  }
  if (disk.process) return oldStillThere(goal, target, stopped);
  return disk.standbySignal ? oldMarked(goal, target, stopped) : oldStopped(goal, target, stopped);
}

/** Asked to serve on the node that was stopped: only where nothing can have been promoted in the meantime. */
function backToOld(snapshot: PostgresSnapshot, stopped: StoppedByUs): PostgresNext {
  const { old, disk, mark } = stopped;
  const untouched = mark.promoting === false || isUntouched(nodeNamed(snapshot, mark.target));
  if (disk.process) {
    const isStandby = answering(old)?.inRecovery === true;
    return isStandby && untouched ? goBack(stopped) : wait(`node ${old.node} is starting or stopping`, true);
  }
  if (disk.standbySignal && !untouched)
    return stuck(`node ${mark.target} may have been promoted: go on with the switchover to it`);
  return goBack(stopped);
}

/** A standby's signal is removed before the first write of a new timeline: while it is there, nothing was promoted. */
function isUntouched(target: PostgresNode | undefined): boolean {
  return target !== undefined && isDown(target) && diskOf(target)?.standbySignal === true;
}

/**
 * A return that was begun and cut off. With the signal gone nothing was promoted since; with it still there the node may
 * have come up as a standby in between, and the target may have been promoted over it.
 */
function mayStillReturn(snapshot: PostgresSnapshot, { disk, mark }: StoppedByUs): boolean {
  if (!disk.standbySignal || mark.promoting === false) return true;
  const target = nodeNamed(snapshot, mark.target);
  return isUntouched(target) || (target !== undefined && answering(target)?.inRecovery === true);
}

/** The old active node's process lives and takes no writes: stopping, starting, or already a standby. */
function oldStillThere(goal: PostgresGoal, target: PostgresNode, stopped: StoppedByUs): PostgresNext {
  const { old, mark, disk } = stopped;
  // A standby without its signal comes up as a primary at its next start: it is no ground for a promotion.
  if (answering(old)?.inRecovery === true)
    return disk.standbySignal
      ? oldMarked(goal, target, stopped)
      : act({ act: 'stop-at-once', host: old.host, node: old.node }, true);
  if (old.server.says === 'starting' || mark.returning) return wait(`node ${old.node} is starting`, true);
  if (!tooLate(mark, goal)) return wait(`node ${old.node} is stopping`, true);
  return act({ act: 'stop-at-once', host: old.host, node: old.node }, true);
}

/** Stopped, and its files still say primary: the way back is to start it. */
function oldStopped(goal: PostgresGoal, target: PostgresNode, stopped: StoppedByUs): PostgresNext {
  const { old, mark, disk } = stopped;
  if (mark.stopMissed || disk.control?.state !== 'shut-down') return goBack(stopped);
  if (hasEverything(target, disk)) {
    return act({ act: 'mark-standby', host: old.host, node: old.node, upstream: target.node }, true);
  }
  if (tooLate(mark, goal)) return goBack(stopped);
  return wait(`node ${target.node} has not replayed the last checkpoint of ${old.node} yet`, true);
}

/**
 * The old active node can only come up as a standby now, so the promotion is safe once the target has everything. A third
 * node that is out of sight holds nothing up: every node was a known standby when the stop began, and one that takes
 * writes is seen as the active one.
 */
function oldMarked(goal: PostgresGoal, target: PostgresNode, stopped: StoppedByUs): PostgresNext {
  const { old, mark, disk } = stopped;
  if (isUntouched(target)) return goBack(stopped);
  const server = answering(target);
  const isStandby = server?.inRecovery === true;
  if (isStandby && hasEverything(target, disk)) {
    if (mark.promoting === false) return act({ act: 'announce-promotion', host: old.host, node: old.node }, true);
    const { systemIdentifier, timeline, replayedLsn } = server;
    const seen = { systemIdentifier, timeline, replayedLsn, receives: server.receiver?.status === 'streaming' };
    return act({ act: 'promote', host: target.host, node: target.node, ...seen }, true);
  }
  if ((mark.promoting === false || lacksLastRecord(target, disk)) && tooLate(mark, goal)) return goBack(stopped);
  return wait(
    isStandby
      ? `node ${target.node} has not shown the last checkpoint of ${old.node} yet`
      : `node ${target.node} does not answer`,
    true,
  );
}

/** The way back: a node that runs meanwhile, as a standby, is stopped for it first. */
function goBack({ old, disk, mark }: StoppedByUs): PostgresNext {
  const { host, node } = old;
  if (disk.process) return act({ act: 'stop-at-once', host, node }, true);
  return act({ act: 'return-active', host, node, ...(mark.promoting === false ? { unlessPromoting: true as const } : {}) }, true);
}

/** Not replayed now was not replayed before: nobody can have promoted it, so going back is as safe as it was. */
function lacksLastRecord(target: PostgresNode, disk: Disk): boolean {
  const server = answering(target);
  if (server?.inRecovery !== true || disk.control === null || server.replayedLsn === null) return false;
  return server.replayedLsn <= disk.control.checkpointLsn;
}

/** It has replayed the record of a clean end, which is the last one of the node that was stopped: no acknowledged write is missing. */
function hasEverything(target: PostgresNode, disk: Disk): boolean {
  const server = answering(target);
  if (server?.inRecovery !== true || disk.control === null || !CLEAN.has(disk.control.state)) return false;
  return server.replayedShutdowns.includes(disk.control.checkpointLsn);
}

/** Ended cleanly, or started as a standby after that: its latest checkpoint is its end. */
const CLEAN: ReadonlySet<ControlState> = new Set(['shut-down', 'shut-down-in-recovery', 'in-archive-recovery']);

function afterPromotion(snapshot: PostgresSnapshot, goal: PostgresGoal, target: PostgresNode): PostgresNext {
  const members = snapshot.nodes.filter((node) => node !== target && mustFollow(node));
  // All at once: the same act twice would mean that the first one had no effect.
  const missing = goal.canRepoint ? missingSlots(members, target) : [];
  if (missing.length > 0) return act({ act: 'create-slots', host: target.host, node: target.node, slots: missing }, false);
  const nexts = members.flatMap((node) => (streamsFrom(node, target) ? [] : (follow(goal, node, target) ?? [])));
  // One that cannot follow keeps nobody else from it.
  const next = nexts.find((candidate) => candidate.next !== 'stuck') ?? nexts[0];
  if (next !== undefined) return next;
  const waiting = members.filter((node) => !streamsFrom(node, target));
  if (waiting.length > 0)
    return wait(`not yet streaming from ${target.node}: ${waiting.map((node) => node.node).join(', ')}`, false);
  return cleanUp(snapshot, members);
}

/** Everybody in sight follows. */
function cleanUp(snapshot: PostgresSnapshot, members: readonly PostgresNode[]): PostgresNext {
  for (const node of members) {
    const slots = staleSlots(snapshot, node);
    if (slots.length > 0) return act({ act: 'drop-slots', host: node.host, node: node.node, slots }, false);
  }
  // The old active node may be among them.
  const unseen = snapshot.nodes.filter((node) => !node.disk.seen).map((node) => node.host);
  if (unseen.length > 0) return wait(`not known whether everybody follows: no look at ${unseen.join(', ')}`, false);
  const marked = snapshot.nodes.find((node) => diskOf(node)?.switchover);
  if (marked !== undefined) return act({ act: 'end-switchover', host: marked.host, node: marked.node }, false);
  return { next: 'done' };
}

/** The old active node always; of the others those that run. A node that was down before stays as it was. */
function mustFollow(node: PostgresNode): boolean {
  const disk = diskOf(node);
  if (disk === undefined || disk.drained) return false;
  return disk.switchover?.returned === false || disk.process;
}

/** Slots of ours on a standby that nobody uses: they would keep WAL for ever, and stand in the way when it is promoted. */
function staleSlots(snapshot: PostgresSnapshot, node: PostgresNode): readonly string[] {
  const ours = snapshot.nodes.map((member) => member.slot);
  return (answering(node)?.slots ?? [])
    .filter((slot) => slot.kind === 'physical' && !slot.active && ours.includes(slot.name))
    .map((slot) => slot.name);
}

interface StoppedByUs {
  readonly old: PostgresNode;
  readonly disk: Disk;
  readonly mark: SwitchoverMark & { readonly stopAgeMs: number };
}

/**
 * The node that a switchover of ours stopped. A mark without a stop is none: that node went away by itself. Of several
 * the last one stopped, each by its own host's clock.
 */
function stoppedByUs(snapshot: PostgresSnapshot): StoppedByUs | undefined {
  const stopped = snapshot.nodes.flatMap((old): readonly StoppedByUs[] => {
    const disk = diskOf(old);
    const mark = disk?.switchover;
    if (disk === undefined || !mark || mark.returned || mark.stopAgeMs === null) return [];
    return [{ old, disk, mark: { ...mark, stopAgeMs: mark.stopAgeMs } }];
  });
  return stopped.sort((left, right) => left.mark.stopAgeMs - right.mark.stopAgeMs)[0];
}

function tooLate(mark: SwitchoverMark, goal: PostgresGoal): boolean {
  return mark.stopMissed || (mark.stopAgeMs ?? 0) > goal.stopDeadlineMs + RESUME_MARGIN_MS;
}

function act(value: PostgresAct, binding: boolean): PostgresNext {
  return { next: 'act', act: value, binding };
}

function wait(why: string, binding: boolean): PostgresNext {
  return { next: 'wait', why, binding };
}
