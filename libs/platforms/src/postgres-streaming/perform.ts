import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterTarget, VerbRequest, VerbResult } from '../platform.js';
import { runVerb, type VerbEngine } from '../verb-loop.js';
import { performAct } from './acts.js';
import { nextAct } from './next-act.js';
import { observePostgres, withSession, type Session } from './observe.js';
import type { PostgresAct, PostgresGoal, PostgresSnapshot } from './snapshot.js';
import { summarise } from './summary.js';

const DEFAULT_STOP_DEADLINE_MS = 3_000;
const LONGEST_STOP_DEADLINE_MS = 8_000;

/** Brings the cluster to the verb's goal, or says where it stands. */
export function performPostgres(target: ClusterTarget, request: VerbRequest): Promise<VerbResult> {
  return withSession(target, (session) => runVerb(engineFor(session, request), request));
}

function engineFor(session: Session, request: VerbRequest): VerbEngine<PostgresSnapshot, PostgresAct> {
  const goal = goalOf(session.target, request);
  let last: PostgresSnapshot | undefined;
  return {
    hosts: [...new Map(session.nodes.map(({ host }) => [host.definition.slug, host])).values()],
    now: session.target.now,
    pause: (ms) => delay(ms),
    observe: async (deadlineMs) => (last = await observePostgres(session, deadlineMs)),
    nextAct: (snapshot) => nextAct(snapshot, goal),
    perform: (act, key, deadlineMs) => performAct(act, { session, request, snapshot: last as PostgresSnapshot, key, deadlineMs }),
    summary: summarise,
  };
}

/** Parameters are checked when a plan is made; one that cannot be used falls back to the default, never to "no limit". */
function goalOf(target: ClusterTarget, request: VerbRequest): PostgresGoal {
  const asked = Number(request.parameters['stopDeadlineMs'] ?? DEFAULT_STOP_DEADLINE_MS);
  const usable = Number.isFinite(asked) && asked >= 100;
  return {
    verb: request.verb,
    node: request.node,
    key: request.key,
    stopDeadlineMs: Math.min(usable ? asked : DEFAULT_STOP_DEADLINE_MS, LONGEST_STOP_DEADLINE_MS),
    canRepoint: target.secrets['replication'] !== undefined,
  };
}
