import { type Host, privileged } from '@understudy/hosts';
import type { VerbRequest } from '../platform.js';
import type { ActOutcome } from '../verb-loop.js';
import { askForSwitchover } from './member-api.js';
import { sessionNode, type Session, type SessionNode } from './session.js';
import type { PatroniAct } from './snapshot.js';

/** Kept of an act's time for the two entries in the journal around what goes over another channel. */
const JOURNAL_SHARE_MS = 1_500;
/** Exit code in the journal for an outside act that was answered with no. */
const REFUSED = 1;

/** A record of a few bytes that carries nothing; its commit flushes it. */
const WRITE_POSITION = "select pg_logical_emit_message(true, 'understudy', 'position')::text as lsn";

/** One act about to be performed, its key and its time. */
export interface ActCall {
  readonly session: Session;
  readonly request: VerbRequest;
  readonly key: string;
  readonly deadlineMs: number;
}

/** Performs one act, entered in the journal of the host that it targets. Never throws for what happens there. */
export function performAct(act: PatroniAct, call: ActCall): Promise<ActOutcome> {
  const node = sessionNode(call.session, act.node);
  const { unit } = node.settings;
  switch (act.act) {
    case 'tag':
      return onHost(call, node.host, privileged('patroni-tag', 'nofailover'));
    case 'untag':
      return onHost(call, node.host, privileged('patroni-tag', 'none'));
    case 'hold':
      return onHost(call, node.host, privileged('unit-hold', unit));
    case 'free':
      return onHost(call, node.host, privileged('unit-free', unit));
    case 'start':
      return onHost(call, node.host, privileged('unit-start', unit));
    case 'stop':
      return onHost(call, node.host, privileged('unit-stop', unit));
    case 'checkpoint':
      return outside(call, node.host, (limitMs) => onServer(call, node, 'checkpoint', limitMs));
    case 'write-position':
      return outside(call, node.host, (limitMs) => onServer(call, node, WRITE_POSITION, limitMs));
    case 'switchover': {
      const candidate = sessionNode(call.session, act.candidate).settings;
      return outside(call, node.host, async (limitMs) => {
        const { outcome, said } = await askForSwitchover(call.session.api, node.settings, candidate, limitMs);
        return { status: outcome, detail: `Patroni answered: ${said}` };
      });
    }
  }
}

async function onHost(call: ActCall, host: Host, argv: readonly [string, ...string[]]): Promise<ActOutcome> {
  const { key, request, deadlineMs } = call;
  const result = await host.journal.act({ key, fence: request.fence, argv, deadlineMs });
  switch (result.status) {
    case 'fenced':
      return { status: 'fenced', seen: result.seen };
    case 'unknown':
      return { status: 'unknown', detail: result.reason };
    case 'ended':
      if (result.code === 0) return { status: 'ended', detail: 'done' };
      return { status: 'refused', detail: `ended with ${result.code}: ${result.stderr.trim().slice(0, 300)}` };
  }
}

async function onServer(call: ActCall, node: SessionNode, text: string, limitMs: number): Promise<OutsideOutcome> {
  const answer = await call.session.connections.query<{ lsn?: string }>(node.settings, text, [], limitMs);
  if (answer.status === 'unreachable') return { status: 'unknown', detail: answer.reason };
  if (answer.status === 'refused') return { status: 'refused', detail: `${answer.reason} (${answer.code})` };
  const lsn = answer.rows[0]?.lsn;
  return { status: 'ended', detail: lsn === undefined ? 'done' : `a record was written at ${lsn}` };
}

type OutsideOutcome = Exclude<ActOutcome, { status: 'fenced' }>;

/** Around an act over SQL or the REST API: entered before it is sent, its end after. What was not answered has no end. */
async function outside(call: ActCall, host: Host, perform: (limitMs: number) => Promise<OutsideOutcome>): Promise<ActOutcome> {
  const entry = { key: call.key, fence: call.request.fence, deadlineMs: call.deadlineMs };
  const entered = await host.journal.begin(entry);
  switch (entered.status) {
    case 'known':
      return { status: 'ended', detail: `was performed before (${entered.code})` };
    case 'unknown':
      return { status: 'unknown', detail: entered.reason };
    case 'fenced':
      return { status: 'fenced', seen: entered.seen };
    case 'begun': {
      const outcome = await perform(Math.max(1_000, call.deadlineMs - JOURNAL_SHARE_MS));
      if (outcome.status !== 'unknown') await host.journal.end(entry, outcome.status === 'ended' ? 0 : REFUSED);
      return outcome;
    }
  }
}
