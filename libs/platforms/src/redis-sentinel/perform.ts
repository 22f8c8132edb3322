import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterTarget, VerbRequest, VerbResult } from '../platform.js';
import { runVerb, type VerbEngine } from '../verb-loop.js';
import { performAct } from './acts.js';
import { CallMemory } from './call-memory.js';
import { nextAct } from './next-act.js';
import { observeRedis } from './observe.js';
import { openSession, type Session } from './session.js';
import type { RedisAct, RedisSnapshot } from './snapshot.js';
import { summarise } from './summary.js';

/** Brings the cluster to the verb's goal, or says where it stands. */
export async function performRedis(target: ClusterTarget, request: VerbRequest): Promise<VerbResult> {
  return runVerb(engineFor(openSession(target), request), request);
}

function engineFor(session: Session, request: VerbRequest): VerbEngine<RedisSnapshot, RedisAct> {
  const monotonic = (): number => performance.now();
  const memory = new CallMemory(monotonic);
  return {
    hosts: [...new Map(session.nodes.map(({ host }) => [host.definition.slug, host])).values()],
    now: session.target.now,
    monotonic,
    pause: (ms) => delay(ms),
    observe: async (deadlineMs) => {
      const snapshot = await observeRedis(session, deadlineMs);
      memory.seen(snapshot);
      return snapshot;
    },
    nextAct: (snapshot) => {
      const leftMs = request.deadlineAt - session.target.now();
      return nextAct(snapshot, { verb: request.verb, node: request.node, leftMs, ...memory.known });
    },
    perform: async (act, key, deadlineMs) => {
      const outcome = await performAct(act, { session, request, key, deadlineMs });
      if (outcome.status !== 'fenced') memory.performed(act, outcome.status, outcome.detail);
      return outcome;
    },
    summary: summarise,
  };
}
