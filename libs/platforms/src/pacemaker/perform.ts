import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterTarget, VerbRequest, VerbResult } from '../platform.js';
import { runVerb, type VerbEngine } from '../verb-loop.js';
import { performAct } from './acts.js';
import { CallMemory } from './call-memory.js';
import { nextAct, trialFor } from './next-act.js';
import { foretell, observePacemaker } from './observe.js';
import { openSession, type Session } from './session.js';
import type { PacemakerAct, PacemakerGoal, PacemakerSnapshot } from './snapshot.js';
import { summarise } from './summary.js';

/** Brings the cluster to the verb's goal, or says where it stands. */
export async function performPacemaker(target: ClusterTarget, request: VerbRequest): Promise<VerbResult> {
  return runVerb(engineFor(openSession(target), request), request);
}

function engineFor(session: Session, request: VerbRequest): VerbEngine<PacemakerSnapshot, PacemakerAct> {
  const monotonic = (): number => performance.now();
  const memory = new CallMemory(request.node, monotonic);
  const goal = (): PacemakerGoal => ({
    verb: request.verb,
    node: request.node,
    workload: request.workload,
    ...memory.known,
  });
  return {
    hosts: [...new Map(session.nodes.map(({ host }) => [host.definition.slug, host])).values()],
    now: session.target.now,
    monotonic,
    pause: (ms) => delay(ms),
    observe: async (deadlineMs) => {
      const snapshot = await observePacemaker(session, deadlineMs);
      memory.seen(snapshot);
      const question = trialFor(snapshot, goal());
      if (question !== undefined) memory.foretold(await foretell(session, question, request.deadlineAt - session.target.now()));
      return snapshot;
    },
    nextAct: (snapshot) => nextAct(snapshot, goal()),
    perform: async (act, key, deadlineMs) => {
      const outcome = await performAct(act, { session, request, key, deadlineMs });
      if (outcome.status !== 'fenced') memory.performed(act, outcome.status, outcome.detail);
      return outcome;
    },
    summary: summarise,
  };
}
