import { privileged } from '@understudy/hosts';
import type { VerbRequest } from '../platform.js';
import { onHost, outside, type OutsideOutcome } from '../entered-acts.js';
import type { ActOutcome } from '../verb-loop.js';
import { askForSwitchover } from './member-api.js';
import { sessionNode, type Session, type SessionNode } from './session.js';
import type { PatroniAct } from './snapshot.js';

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
  const entry = { key: call.key, fence: call.request.fence, deadlineMs: call.deadlineMs };
  switch (act.act) {
    case 'tag':
      return onHost(entry, node.host, privileged('patroni-tag', 'nofailover'));
    case 'untag':
      return onHost(entry, node.host, privileged('patroni-tag', 'none'));
    case 'hold':
      return onHost(entry, node.host, privileged('unit-hold', unit));
    case 'free':
      return onHost(entry, node.host, privileged('unit-free', unit));
    case 'start':
      return onHost(entry, node.host, privileged('unit-start', unit));
    case 'stop':
      return onHost(entry, node.host, privileged('unit-stop', unit));
    case 'checkpoint':
      return outside(entry, node.host, (limitMs) => onServer(call, node, 'checkpoint', limitMs));
    case 'write-position':
      return outside(entry, node.host, (limitMs) => onServer(call, node, WRITE_POSITION, limitMs));
    case 'switchover': {
      const candidate = sessionNode(call.session, act.candidate).settings;
      return outside(entry, node.host, async (limitMs) => {
        const { outcome, said } = await askForSwitchover(call.session.api, node.settings, candidate, limitMs);
        return { status: outcome, detail: `Patroni answered: ${said}` };
      });
    }
  }
}

async function onServer(call: ActCall, node: SessionNode, text: string, limitMs: number): Promise<OutsideOutcome> {
  const answer = await call.session.connections.query<{ lsn?: string }>(node.settings, text, [], limitMs);
  if (answer.status === 'unreachable') return { status: 'unknown', detail: answer.reason };
  if (answer.status === 'refused') return { status: 'refused', detail: `${answer.reason} (${answer.code})` };
  const lsn = answer.rows[0]?.lsn;
  return { status: 'ended', detail: lsn === undefined ? 'done' : `a record was written at ${lsn}` };
}
