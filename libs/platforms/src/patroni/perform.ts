import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterTarget, VerbRequest, VerbResult } from '../platform.js';
import { runVerb, type VerbEngine } from '../verb-loop.js';
import { performAct } from './acts.js';
import { CallMemory, type EarlierActs } from './call-memory.js';
import { nextAct } from './next-act.js';
import { observePatroni } from './observe.js';
import { withSession, type Session } from './session.js';
import type { Asked, PatroniAct, PatroniGoal, PatroniSnapshot } from './snapshot.js';
import { summarise } from './summary.js';
import { leaderOf } from './topology.js';

/** Patroni works in loops of a second at least, and serves on its own: a look more often than this shows nothing more. */
const LEAST_PAUSE_MS = 200;
const JOURNAL_LIMIT_MS = 3_000;

/** Brings the cluster to the verb's goal, or says where it stands. */
export function performPatroni(target: ClusterTarget, request: VerbRequest): Promise<VerbResult> {
  return withSession(target, (session) => runVerb(engineFor(session, request), request));
}

function engineFor(session: Session, request: VerbRequest): VerbEngine<PatroniSnapshot, PatroniAct> {
  const monotonic = (): number => performance.now();
  const memory = new CallMemory(request.node, monotonic);
  const goal = (): PatroniGoal => ({
    verb: request.verb,
    node: request.node,
    remainingMs: request.deadlineAt - session.target.now(),
    ...memory.known,
  });
  let isRead = request.verb !== 'switchover';
  return {
    hosts: [...new Map(session.nodes.map(({ host }) => [host.definition.slug, host])).values()],
    now: session.target.now,
    monotonic,
    pause: (ms) => delay(Math.max(ms, LEAST_PAUSE_MS)),
    observe: async (deadlineMs) => {
      const snapshot = await observePatroni(session, deadlineMs);
      if (!isRead) {
        const earlier = await earlierActs(session, request, snapshot);
        memory.earlier(earlier);
        isRead = earlier.isWhole;
      }
      memory.seen(snapshot);
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

/** What earlier calls under the same key did: one record is enough, and Patroni is asked once. */
async function earlierActs(session: Session, request: VerbRequest, snapshot: PatroniSnapshot): Promise<EarlierActs> {
  const leader = leaderOf(snapshot)?.node;
  const reads = await Promise.all(
    session.nodes.map(async ({ settings: { node }, host }) => {
      const read = await host.journal.entries(`${request.key}/`, JOURNAL_LIMIT_MS);
      const entries = read.status === 'read' ? read.entries.map((entry) => ({ ...entry, act: actOf(entry.key) })) : [];
      return { node, entries, isRead: read.status === 'read' };
    }),
  );
  const ended = reads.find(({ node }) => node === leader)?.entries.filter((entry) => entry.ended?.code === 0) ?? [];
  const [asked] = reads.flatMap(({ node, entries }) =>
    entries.filter(({ act }) => act === 'switchover').map((entry) => ({ node, outcome: outcomeOf(entry.ended?.code) })),
  );
  return { done: ended.map(({ act }) => act), asked, isWhole: reads.every((read) => read.isRead) };
}

/** Keys end with the act and its number. */
function actOf(key: string): PatroniAct['act'] {
  return key.split('/').at(-2) as PatroniAct['act'];
}

function outcomeOf(code: number | undefined): Asked['outcome'] {
  return code === undefined ? 'unknown' : code === 0 ? 'ended' : 'refused';
}
