import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterTarget, VerbRequest, VerbResult } from '../platform.js';
import { runVerb, type VerbEngine } from '../verb-loop.js';
import { performAct } from './acts.js';
import { CallMemory } from './call-memory.js';
import { nextAct } from './next-act.js';
import { observeAfterStop, observePostgres, sessionNode, withSession, type Session } from './observe.js';
import { readLastWords } from './server-log.js';
import type { Disk, PostgresAct, PostgresGoal, PostgresSnapshot } from './snapshot.js';
import { summarise } from './summary.js';

const DEFAULT_STOP_DEADLINE_MS = 3_000;
const LONGEST_STOP_DEADLINE_MS = 8_000;
/** How long the target's replay of the last record is looked for at short intervals, before the next whole look. */
const AFTER_STOP_LIMIT_MS = 500;
const AFTER_STOP_POLL_MS = 5;

/** Brings the cluster to the verb's goal, or says where it stands. */
export function performPostgres(target: ClusterTarget, request: VerbRequest): Promise<VerbResult> {
  return withSession(target, (session) => runVerb(engineFor(session, request), request));
}

function engineFor(session: Session, request: VerbRequest): VerbEngine<PostgresSnapshot, PostgresAct> {
  const goal = goalOf(session.target, request);
  const monotonic = (): number => performance.now();
  const memory = new CallMemory(monotonic);
  let last: PostgresSnapshot | undefined;
  let stopped: StoppedNode | undefined;
  const wanted = (): PostgresGoal => ({
    ...goal,
    remainingMs: request.deadlineAt - session.target.now(),
    ...memory.known,
  });
  return {
    hosts: [...new Map(session.nodes.map(({ host }) => [host.definition.slug, host])).values()],
    now: session.target.now,
    monotonic,
    pause: (ms) => delay(ms),
    observe: async (deadlineMs) => {
      const justStopped = stopped;
      stopped = undefined;
      const swift = last && justStopped && (await promotable(session, last, justStopped, wanted()));
      if (swift) return (last = swift);
      last = await observePostgres(session, deadlineMs);
      await memory.seen(last, (name) => {
        const { settings, host } = sessionNode(session, name);
        return readLastWords(settings, host, deadlineMs);
      });
      return last;
    },
    nextAct: (snapshot) => nextAct(snapshot, wanted()),
    perform: (act, key, deadlineMs) => {
      memory.performed(act);
      // One that runs (started by hand, as a standby) has to be asked: only a whole look does that.
      const onDisk = (node: string, disk: Disk): void => void (stopped = disk.process ? undefined : { node, disk });
      return performAct(act, { session, request, snapshot: last as PostgresSnapshot, key, deadlineMs, onDisk });
    },
    summary: summarise,
  };
}

interface StoppedNode {
  readonly node: string;
  readonly disk: Disk;
}

/** The picture right after the stop or the announcement, if within a moment the way to the promotion is free; else a whole look has to. */
async function promotable(
  session: Session,
  before: PostgresSnapshot,
  stopped: StoppedNode,
  goal: PostgresGoal,
): Promise<PostgresSnapshot | undefined> {
  const untilMs = session.target.now() + AFTER_STOP_LIMIT_MS;
  for (;;) {
    const seen = await observeAfterStop(session, before, stopped, AFTER_STOP_LIMIT_MS);
    const next = nextAct(seen, goal);
    if (next.next === 'act' && TOWARDS_PROMOTION.has(next.act.act)) return seen;
    if (next.next !== 'wait' || session.target.now() >= untilMs) return undefined;
    await delay(AFTER_STOP_POLL_MS);
  }
}

const TOWARDS_PROMOTION: ReadonlySet<PostgresAct['act']> = new Set(['announce-promotion', 'promote']);

function goalOf(target: ClusterTarget, request: VerbRequest): PostgresGoal {
  return {
    verb: request.verb,
    node: request.node,
    key: request.key,
    stopDeadlineMs: stopDeadlineMsOf(request.parameters),
    canRepoint: target.secrets['replication'] !== undefined,
  };
}

/**
 * What the plan asked for, never longer: a short budget makes a stop that is missed, not a long one. One that is no
 * number falls back to the default, never to "no limit". Milliseconds.
 */
export function stopDeadlineMsOf(parameters: Readonly<Record<string, string>>): number {
  const asked = Number(parameters['stopDeadlineMs'] ?? DEFAULT_STOP_DEADLINE_MS);
  return Math.min(asked > 0 ? asked : DEFAULT_STOP_DEADLINE_MS, LONGEST_STOP_DEADLINE_MS);
}
