import { privileged } from '@understudy/hosts';
import { onHost, outside, type Entry, type OutsideOutcome } from '../entered-acts.js';
import type { VerbRequest } from '../platform.js';
import type { ActOutcome } from '../verb-loop.js';
import { fence, followCommands } from './hand-over.js';
import { sentence } from './readings.js';
import { ReplyError } from './resp.js';
import { sessionNode, type Session } from './session.js';
import type { Place } from './settings.js';
import type { RedisAct } from './snapshot.js';
import { ask } from './transport.js';
import { NOTES } from './unit.js';

/** Whole or not at all, also over a loss of power. */
const KEEP = 'mkdir -p "$1" && printf "%s\\n" "$3" > "$1/.$2.new" && sync "$1/.$2.new" && mv "$1/.$2.new" "$1/$2" && sync "$1"';
const REWRITE = ['CONFIG', 'REWRITE'];

/** One act about to be performed, its key and its time. */
export interface ActCall {
  readonly session: Session;
  readonly request: VerbRequest;
  readonly key: string;
  readonly deadlineMs: number;
}

/** Performs one act, entered in the journal of the host that it targets. Never throws for what happens there. */
export function performAct(act: RedisAct, call: ActCall): Promise<ActOutcome> {
  const { settings, host } = sessionNode(call.session, act.node);
  const entry = { key: call.key, fence: call.request.fence, deadlineMs: call.deadlineMs };
  switch (act.act) {
    case 'keep':
      return onHost(entry, host, ['sh', '-c', KEEP, 'keep', NOTES, act.node, `${act.kept.purpose} ${act.kept.priority}`]);
    case 'forget':
      return onHost(entry, host, ['rm', '-f', '--', `${NOTES}/${act.node}`]);
    case 'hold':
      return onHost(entry, host, privileged('unit-hold', settings.unit));
    case 'free':
      return onHost(entry, host, privileged('unit-free', settings.unit));
    case 'start':
      return onHost(entry, host, privileged('unit-start', settings.unit));
    case 'stop':
      return onHost(entry, host, privileged('unit-stop', settings.unit));
    case 'failover': {
      const { cluster, sentinelLogin } = call.session;
      const commands = [['SENTINEL', 'FAILOVER', cluster.master]];
      return outside(entry, host, (deadlineMs) => said({ place: act.sentinel, login: sentinelLogin, commands, deadlineMs }));
    }
    case 'fence': {
      const target = sessionNode(call.session, act.target).settings;
      return outside(entry, host, (deadlineMs) => fence({ login: call.session.login, master: settings, target }, deadlineMs));
    }
    default:
      return onServer(act, call, entry);
  }
}

/** An act that is asked of Redis itself. */
type ServerAct = Extract<RedisAct, { act: 'lower' | 'restore' | 'follow' | 'give-back' }>;

function onServer(act: ServerAct, { session }: ActCall, entry: Entry): Promise<ActOutcome> {
  const { settings, host } = sessionNode(session, act.node);
  const commands = commandsOf(act, session);
  return outside(entry, host, (deadlineMs) => said({ place: settings, login: session.login, commands, deadlineMs }));
}

function commandsOf(act: ServerAct, session: Session): readonly (readonly string[])[] {
  switch (act.act) {
    case 'lower':
      return [['CONFIG', 'SET', 'replica-priority', '0'], REWRITE];
    case 'restore':
      return [['CONFIG', 'SET', 'replica-priority', String(act.priority)], REWRITE];
    case 'follow':
      return followCommands(sessionNode(session, act.master).settings);
    case 'give-back':
      return [['REPLICAOF', 'NO', 'ONE'], REWRITE];
  }
}

interface Order {
  readonly place: Place;
  readonly login: Session['login'];
  readonly commands: readonly (readonly string[])[];
  readonly deadlineMs: number;
}

/** `refused`: at least one of the commands was answered with no. */
async function said({ place, login, commands, deadlineMs }: Order): Promise<OutsideOutcome> {
  const answer = await ask({ place, ...(login === undefined ? {} : { login }), commands, deadlineMs });
  if (answer.status === 'silent') return { status: 'unknown', detail: answer.reason };
  if (answer.status === 'refused') return { status: 'refused', detail: answer.reason };
  const no = answer.replies.find((reply) => reply instanceof ReplyError);
  const detail = `it answered: ${answer.replies.map(sentence).join(', ')}`;
  return no === undefined ? { status: 'ended', detail } : { status: 'refused', detail };
}
