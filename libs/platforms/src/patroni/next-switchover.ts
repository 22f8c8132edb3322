import { movingObstacle } from './guards.js';
import { actOrGiveUp, stuck, wait, type PatroniNext } from './next.js';
import type { Asked, PatroniGoal, PatroniNode, PatroniSnapshot } from './snapshot.js';
import {
  apiOf,
  ceilingBytes,
  isDrained,
  isDown,
  isElectable,
  isWritable,
  lagBytes,
  lagsWithin,
  leaderOf,
  notPromotable,
  serverOf,
  streams,
  unitOf,
  unknownOnes,
} from './topology.js';

/** How long a receiver may take to confirm a record that was just written. */
const CONFIRM_PATIENCE_MS = 2_000;
/**
 * Patroni runs a checkpoint before it stops the leader, which serves all that time, and a request that it has taken can
 * be neither seen nor taken back over its REST API. So it is not asked with less time left than a quick one takes.
 */
const LEAST_REMAINING_MS = 15_000;
/** Patroni gives its own answer up after twice this, or twice its loop (`poll_failover_result` in `api.py`). */
const PATRONI_POLL_MS = 10_000;
const ANSWER_MARGIN_MS = 5_000;

/**
 * Patroni moves the workload; we ask it once, for a named candidate, when everything was seen to be in order, and then
 * look until that candidate leads and the others follow it. The answer alone proves nothing, and is never waited for.
 */
export function nextSwitchover(snapshot: PatroniSnapshot, goal: PatroniGoal, target: PatroniNode): PatroniNext {
  const writable = snapshot.nodes.filter(isWritable);
  if (writable.length > 1)
    return stuck(
      `nodes ${writable.map(({ node }) => node).join(' and ')} both accept writes: a person must decide which one is right`,
    );
  const leader = leaderOf(snapshot);
  if (leader === target) return followed(snapshot, target);
  const asked = askedFor(goal);
  if (leader === undefined) return withNobodyLeading(snapshot, asked);
  if (asked !== undefined) return afterAsking(snapshot, goal, target, leader, asked);
  return beforeAsking(snapshot, goal, target, leader);
}

function askedFor(goal: PatroniGoal): Asked | undefined {
  return [...(goal.asked ?? [])].find(([name]) => name.startsWith('switchover '))?.[1];
}

function withNobodyLeading(snapshot: PatroniSnapshot, asked: Asked | undefined): PatroniNext {
  const unknown = unknownOnes(snapshot);
  const why = unknown.length > 0 ? unknown.join('; ') : 'no member runs as the primary and holds the leader key';
  // Ours or not: whoever comes to lead is Patroni's to decide, and only looking on is safe.
  return asked === undefined ? wait(why) : pending(`nobody leads while Patroni moves the workload; ${why}`);
}

function afterAsking(
  snapshot: PatroniSnapshot,
  goal: PatroniGoal,
  target: PatroniNode,
  leader: PatroniNode,
  asked: Asked,
): PatroniNext {
  if (goal.firstLeader !== undefined && leader.node !== goal.firstLeader)
    return stuck(
      `Patroni switched over to ${leader.node} instead of ${target.node} (it said: ${asked.said}). Nothing more was tried: look why ${target.node} was passed over`,
    );
  if (asked.outcome === 'refused') return stuck(`${leader.node} still leads: Patroni answered ${asked.said}`);
  const sinceMs = Math.round(asked.agoMs);
  // No answer is no end: it may be in the checkpoint before its stop, however long that takes.
  if (asked.outcome === 'unknown')
    return pending(
      `${leader.node} still leads ${sinceMs} ms after Patroni was asked to move the workload to ${target.node}, and it may do so yet (it said: ${asked.said || 'nothing'}). To take the request back, delete the key "failover" below Patroni's scope in its store`,
    );
  const patienceMs = 2 * Math.max(PATRONI_POLL_MS, snapshot.config?.loopWaitMs ?? 0) + ANSWER_MARGIN_MS;
  if (asked.agoMs <= patienceMs) return wait(`${leader.node} still leads; Patroni was asked ${sinceMs} ms ago`);
  return stuck(
    `${leader.node} still leads ${Math.round(asked.agoMs / 1_000)} s after Patroni was asked, and is not asked again (it said: ${asked.said || 'nothing'})`,
  );
}

/** A wait that nobody may cut short: the workload is being moved. */
function pending(why: string): PatroniNext {
  return { next: 'wait', why, binding: true, asked: true };
}

function beforeAsking(snapshot: PatroniSnapshot, goal: PatroniGoal, target: PatroniNode, leader: PatroniNode): PatroniNext {
  const unknown = unknownOnes(snapshot);
  if (unknown.length > 0) return wait(unknown.join('; '));
  if (snapshot.config === null)
    return wait('nobody tells Patroni’s configuration, so its ceiling and synchronous mode are not known');
  const unseen = snapshot.nodes.find((node) => unitOf(node) === undefined);
  if (unseen !== undefined) return wait(`host ${unseen.host} cannot be looked at`);
  const views = viewsDiffer(snapshot, leader);
  if (views !== undefined) return wait(views);
  const obstacle = movingObstacle(snapshot) ?? whyUnfit(snapshot, target) ?? whyBehind(snapshot, target, leader);
  if (obstacle !== undefined) return stuck(`nothing was moved: ${obstacle}`);
  return confirmed(snapshot, goal, target, leader);
}

/** Every member that tells its view names the same leader as the one that says it leads. */
function viewsDiffer(snapshot: PatroniSnapshot, leader: PatroniNode): string | undefined {
  for (const node of snapshot.nodes) {
    const api = apiOf(node);
    const named = api?.view?.members.find(({ role }) => role === 'leader')?.name;
    if (api === undefined || named === leader.member) continue;
    return api.view === null
      ? `node ${node.node} does not tell its view of the cluster (${api.viewReason})`
      : `node ${node.node} names ${named ?? 'nobody'} as the leader, and ${leader.node} says that it leads`;
  }
  return undefined;
}

function whyUnfit(snapshot: PatroniSnapshot, target: PatroniNode): string | undefined {
  if (isDrained(target)) return `node ${target.node} is drained: join and release it first`;
  if (isDown(target)) return `node ${target.node} is down`;
  if (unitOf(target)?.tagged === true) return `node ${target.node} still carries the tag of its drain: release it first`;
  if (apiOf(target)?.member.tags.nofailover === true) return `node ${target.node} has the tag nofailover, so Patroni refuses it`;
  if (!isElectable(target)) return `node ${target.node} is not electable`;
  const reason = notPromotable(snapshot, target);
  return reason === undefined ? undefined : `node ${target.node} must not be promoted: ${reason}`;
}

/** Patroni's own check before a switchover does not look at the lag: it would accept, then fail. */
function whyBehind(snapshot: PatroniSnapshot, target: PatroniNode, leader: PatroniNode): string | undefined {
  if (!streams(snapshot, target)) return `node ${target.node} does not stream from ${leader.node} on its timeline`;
  if (lagsWithin(snapshot, target)) return undefined;
  const lag = lagBytes(snapshot, target) ?? 'an unknown number of';
  return `node ${target.node} is ${lag} bytes behind ${leader.node}; maximum_lag_on_failover is ${ceilingBytes(snapshot)}`;
}

/** PostgreSQL's stop waits for every receiver: one that hangs would be outage. So all confirm a fresh record first. */
function confirmed(snapshot: PatroniSnapshot, goal: PatroniGoal, target: PatroniNode, leader: PatroniNode): PatroniNext {
  const server = serverOf(leader);
  if (server === undefined) return wait(`the server of ${leader.node} does not answer, so it is not known who confirms its WAL`);
  const { fresh, done } = goal;
  if (done?.has('checkpoint') !== true) return actOrGiveUp(goal, { act: 'checkpoint', host: leader.host, node: leader.node });
  if (fresh === undefined) return actOrGiveUp(goal, { act: 'write-position', host: leader.host, node: leader.node });
  const silent = server.senders.filter(({ confirmedLsn }) => confirmedLsn === null || confirmedLsn < fresh.lsn);
  if (silent.length === 0 && (goal.remainingMs ?? Infinity) < LEAST_REMAINING_MS)
    return stuck(
      `nothing was moved: ${Math.round(goal.remainingMs ?? 0)} ms are left to the deadline, and what became of a switchover could not be seen in less than ${LEAST_REMAINING_MS} ms`,
    );
  if (silent.length === 0)
    return {
      next: 'act',
      act: { act: 'switchover', host: leader.host, node: leader.node, candidate: target.node },
      binding: false,
    };
  const names = silent.map(({ applicationName, pid }) => `${applicationName} (pid ${pid})`).join(', ');
  if (fresh.agoMs <= CONFIRM_PATIENCE_MS) return wait(`not yet confirmed by ${names}`);
  return stuck(
    `nothing was moved: ${names} of ${leader.node} has not confirmed a record for ${Math.round(fresh.agoMs)} ms, and the stop of ${leader.node} would wait for it`,
  );
}

/** It leads: over when everybody who runs follows it. A node that was down or drained before stays as it was. */
function followed(snapshot: PatroniSnapshot, leader: PatroniNode): PatroniNext {
  const unseen = snapshot.nodes.filter((node) => unitOf(node) === undefined);
  if (unseen.length > 0)
    return wait(`not known whether everybody follows: no look at ${unseen.map(({ host }) => host).join(', ')}`);
  const views = viewsDiffer(snapshot, leader);
  if (views !== undefined) return wait(views);
  const waiting = snapshot.nodes.filter((node) => node !== leader && !isDown(node) && !streams(snapshot, node));
  if (waiting.length > 0) return wait(`not yet streaming from ${leader.node}: ${waiting.map(({ node }) => node).join(', ')}`);
  return { next: 'done' };
}
