import {
  beginStart,
  beginStop,
  changeMark,
  checkpoint,
  createSlots,
  dropSlots,
  isAttached,
  kill,
  markDrained,
  markStandby,
  nodeOf,
  point,
  promote,
  relaxSynchronous,
  release,
  restoreSynchronous,
  setMark,
  slotOf,
  tick,
  unmarkStandby,
  type World,
} from '@understudy/simulated-cluster';
import type { PostgresAct } from '../postgres-streaming/snapshot.js';
import { parseSynchronousNames } from '../postgres/synchronous-names.js';

export interface ActedWorld {
  readonly world: World;
  /** As the host program's exit code: 0 done, 3 precondition gone and nothing changed, 4 not in time. */
  readonly code: 0 | 3 | 4;
  readonly detail: string;
}

/** A stop takes time: it is over when the node has stopped, or after so many milliseconds of the world. */
export interface Stopping {
  readonly world: World;
  readonly stopsWithinMs: number;
}

const STOP_LIMIT_MS = 9_500;
const STEP_MS = 5;

/** Pure: what one act of the driver does to the world, and the time that it takes there. */
export function actOn(world: World, act: PostgresAct, key: string): ActedWorld {
  const begun = beginOn(world, act, key);
  if (!('stopsWithinMs' in begun)) return begun;
  let next = begun.world;
  while (!hasStopped(next, act.node) && next.nowMs - world.nowMs < begun.stopsWithinMs) next = tick(next, STEP_MS);
  return endStop(next, act);
}

export function hasStopped(world: World, node: string): boolean {
  return nodeOf(world, node).service.state === 'stopped';
}

/** The end of a stop that `beginOn` began: the node has stopped, or its time is over. */
export function endStop(world: World, act: PostgresAct): ActedWorld {
  const { node } = act;
  const stopped = hasStopped(world, node);
  const late: ActedWorld = { world, code: 4, detail: 'it did not stop in time' };
  if (act.act !== 'stop-active') return stopped ? done(world) : late;
  if (!stopped) return { ...late, world: changeMark(world, node, { stopMissed: true }) };
  return checked(markStandby(world, node, act.upstream, slotOf(node)), 'it runs: somebody else started it');
}

/** Pure: an act up to where it waits for a node to stop; every other act is done at once. */
export function beginOn(world: World, act: PostgresAct, key: string): ActedWorld | Stopping {
  const { node } = act;
  switch (act.act) {
    case 'start':
      return done(beginStart(world, node));
    case 'stop':
      return { world: beginStop(world, node), stopsWithinMs: STOP_LIMIT_MS };
    case 'stop-active':
      return stopActive(world, node, act.limitMs);
    case 'stop-at-once':
      return done(kill(world, node));
    case 'mark-drained':
      return done(markDrained(world, node));
    case 'release':
      return done(release(world, node));
    case 'relax-synchronous': {
      const { needed, names } = parseSynchronousNames(act.names);
      return done(relaxSynchronous(world, node, act.drained, { needed, names }));
    }
    case 'restore-synchronous':
      return done(restoreSynchronous(world, node));
    case 'repoint':
      return done(point(world, node, act.upstream, slotOf(node)));
    case 'mark-standby':
      return checked(markStandby(world, node, act.upstream, slotOf(node)), 'it runs: somebody else started it');
    case 'unmark-standby':
      return nodeOf(world, node).service.state === 'stopped'
        ? { world, code: 3, detail: 'it does not run' }
        : done(unmarkStandby(world, node));
    case 'create-slots':
      return done(createSlots(world, node, act.slots));
    case 'drop-slots':
      return done(dropSlots(world, node, act.slots));
    case 'record-position':
      return record(world, act, key);
    case 'checkpoint':
      return done(checkpoint(world, node));
    case 'return-active':
      return returnActive(world, node, act.unlessPromoting === true);
    case 'announce-promotion':
      return announce(world, node);
    case 'promote':
      return promoteAsSeen(world, act);
    case 'end-switchover':
      return done(setMark(world, node, null));
  }
}

function done(world: World): ActedWorld {
  return { world, code: 0, detail: 'done' };
}

function checked(result: { readonly world: World; readonly done: boolean }, refusal: string): ActedWorld {
  return result.done ? done(result.world) : { world: result.world, code: 3, detail: refusal };
}

function record(world: World, act: Extract<PostgresAct, { act: 'record-position' }>, key: string): ActedWorld {
  const { node, target, lsn: freshPosition, round } = act;
  return done(
    setMark(world, node, {
      key,
      target,
      freshPosition,
      round,
      freshAtMs: world.nowMs,
      stopAtMs: null,
      stopMissed: false,
      returning: false,
      returned: false,
    }),
  );
}

function markOf(world: World, node: string): World['nodes'][string]['disk']['switchover'] {
  return nodeOf(world, node).disk.switchover;
}

function announce(world: World, node: string): ActedWorld {
  const mark = markOf(world, node);
  if (!nodeOf(world, node).disk.standby) return { world, code: 3, detail: 'it could come up as a primary' };
  if (mark === null || mark.stopAtMs === null || mark.returned)
    return { world, code: 3, detail: 'there is no switchover under way' };
  return done(changeMark(world, node, { promoting: true, returning: false }));
}

/** As the host program does it: one that somebody else has started is left as it is. */
function returnActive(world: World, node: string, unlessPromoting: boolean): ActedWorld {
  if (unlessPromoting && markOf(world, node)?.promoting !== false)
    return { world, code: 3, detail: 'a promotion may have begun' };
  if (!hasStopped(world, node)) return done(world);
  return done(beginStart(unmarkStandby(changeMark(world, node, { returning: true }), node), node));
}

function stopActive(world: World, node: string, limitMs: number): ActedWorld | Stopping {
  if (nodeOf(world, node).disk.standby) return { world, code: 3, detail: 'it is marked as a standby' };
  const marked = changeMark(world, node, { stopAtMs: world.nowMs, promoting: false });
  return { world: beginStop(marked, node), stopsWithinMs: limitMs };
}

/**
 * As PostgreSQL checks it in the same statement: still the standby that was seen, nothing replayed since, and nobody it
 * receives from who was not there.
 */
function promoteAsSeen(world: World, act: Extract<PostgresAct, { act: 'promote' }>): ActedWorld {
  const { log } = nodeOf(world, act.node);
  if (log.timeline > act.timeline || log.position !== act.replayedLsn)
    return { world, code: 3, detail: 'it has replayed more than was seen' };
  if (!act.receives && isAttached(world, nodeOf(world, act.node))) return { world, code: 3, detail: 'it receives again' };
  return checked(promote(world, act.node), 'it is not in recovery');
}
