import { privileged } from '@understudy/hosts';
import { onHost } from '../entered-acts.js';
import type { VerbRequest } from '../platform.js';
import type { ActOutcome } from '../verb-loop.js';
import { sessionNode, type Session } from './session.js';
import type { PacemakerAct } from './snapshot.js';

/** One act about to be performed, its key and its time. */
export interface ActCall {
  readonly session: Session;
  readonly request: VerbRequest;
  readonly key: string;
  readonly deadlineMs: number;
}

/** Performs one act, entered in the journal of the host that it targets. Never throws for what happens there. */
export function performAct(act: PacemakerAct, { session, request, key, deadlineMs }: ActCall): Promise<ActOutcome> {
  const { host } = sessionNode(session, act.node);
  return onHost({ key, fence: request.fence, deadlineMs }, host, commandOf(act));
}

function commandOf(act: PacemakerAct): readonly [string, ...string[]] {
  switch (act.act) {
    case 'standby':
      return privileged('pacemaker-standby', 'on');
    case 'online':
      return privileged('pacemaker-standby', 'none');
    case 'ban':
      return privileged('pacemaker-ban', act.resource);
    case 'unban':
      return privileged('pacemaker-unban', act.resource);
    case 'move':
      return privileged('pacemaker-move', act.resource, act.member);
    case 'clear':
      return privileged('pacemaker-clear', act.resource);
    case 'start':
      return privileged('unit-start', 'pacemaker.service');
    default:
      return onUnit(act.act);
  }
}

function onUnit(act: `${'hold' | 'free' | 'stop'}-${'pacemaker' | 'corosync'}`): readonly [string, ...string[]] {
  const [what, unit] = act.split('-') as ['hold' | 'free' | 'stop', string];
  return privileged(`unit-${what}`, `${unit}.service`);
}
