import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterTarget, VerbRequest, VerbResult } from '../platform.js';
import { runVerb, type VerbEngine } from '../verb-loop.js';
import { performAct } from './acts.js';
import { nextAct } from './next-act.js';
import { observePostgres, sessionNode, withSession, type Session } from './observe.js';
import { readLastWords } from './server-log.js';
import type { PostgresAct, PostgresGoal, PostgresSnapshot } from './snapshot.js';
import { StartCount } from './starts.js';
import { summarise } from './summary.js';

const DEFAULT_STOP_DEADLINE_MS = 3_000;
const LONGEST_STOP_DEADLINE_MS = 8_000;

/** Brings the cluster to the verb's goal, or says where it stands. */
export function performPostgres(target: ClusterTarget, request: VerbRequest): Promise<VerbResult> {
  return withSession(target, (session) => runVerb(engineFor(session, request), request));
}

function engineFor(session: Session, request: VerbRequest): VerbEngine<PostgresSnapshot, PostgresAct> {
  const goal = goalOf(session.target, request);
  const starts = new StartCount();
  let last: PostgresSnapshot | undefined;
  return {
    hosts: [...new Map(session.nodes.map(({ host }) => [host.definition.slug, host])).values()],
    now: session.target.now,
    pause: (ms) => delay(ms),
    observe: async (deadlineMs) => {
      last = await observePostgres(session, deadlineMs);
      await starts.seen(last, (name) => {
        const { settings, host } = sessionNode(session, name);
        return readLastWords(settings, host, deadlineMs);
      });
      return last;
    },
    nextAct: (snapshot) =>
      nextAct(snapshot, { ...goal, remainingMs: request.deadlineAt - session.target.now(), startsInVain: starts.inVain }),
    perform: (act, key, deadlineMs) => {
      starts.performed(act);
      return performAct(act, { session, request, snapshot: last as PostgresSnapshot, key, deadlineMs });
    },
    summary: summarise,
  };
}

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
