import { randomUUID } from 'node:crypto';
import type { CheckResult } from '@understudy/cluster';
import { observeRedis } from './observe.js';
import { streamChecks } from './preflight.js';
import { sentence } from './readings.js';
import { sessionNode, type Session } from './session.js';
import type { RedisNode, RedisSnapshot } from './snapshot.js';
import { isWritable, masterOf, nodeNamed, sentinelsAgainst, serverOf, viewsOf } from './topology.js';
import { ask } from './transport.js';
import { versionsOf } from './versions.js';

/** The look itself; the trials have limits of their own. */
const LOOK_LIMIT_MS = 5_000;
const TRIAL_LIMIT_MS = 3_000;
/** A key that nobody else uses, gone by itself. */
const TRIAL_KEY = 'understudy:trial:';
const TRIAL_LIFE_S = '60';

/** The minimum that a node must pass before it serves or is called done. */
export async function validateRedis(
  session: Session,
  name: string,
  asActive: boolean,
  deadlineMs: number,
): Promise<readonly CheckResult[]> {
  const snapshot = await observeRedis(session, Math.min(deadlineMs, LOOK_LIMIT_MS));
  const node = nodeNamed(snapshot, name);
  if (node === undefined) return [{ check: 'known', node: name, passed: false, detail: `There is no node ${name}.` }];
  const state = stateChecks(snapshot, node, asActive);
  if (serverOf(node) === undefined) return state;
  return [
    ...state,
    await readTrial(session, name, deadlineMs),
    ...(asActive ? [await writeTrial(session, name, deadlineMs)] : []),
  ];
}

/** Pure: what the picture itself shows. */
export function stateChecks(snapshot: RedisSnapshot, node: RedisNode, asActive: boolean): readonly CheckResult[] {
  const server = serverOf(node);
  const check = (label: string, passed: boolean | null, detail: string): CheckResult => ({
    check: label,
    node: node.node,
    passed,
    detail,
  });
  if (server === undefined)
    return [check('answers', false, `Redis does not answer: ${node.server.says === 'nothing' ? node.server.reason : ''}.`)];
  const versions = Object.entries(versionsOf(node)).map(([item, { installed, running }]) =>
    check(
      item === 'redis' ? 'version' : `version-${item}`,
      installed === null || running === null ? null : installed === running,
      `${item} ${running ?? 'of an unknown version'} runs, ${installed ?? 'an unknown version'} is installed.`,
    ),
  );
  const common = [
    check('answers', !server.isLoading, server.isLoading ? 'Redis loads its data.' : 'Redis answers.'),
    ...versions,
  ];
  return [...common, ...(asActive ? masterChecks(snapshot, node) : replicaState(snapshot, node))];
}

function masterChecks(snapshot: RedisSnapshot, node: RedisNode): readonly CheckResult[] {
  const writable = snapshot.nodes.filter(isWritable);
  const alone = writable.length === 1 && writable[0] === node;
  const against = sentinelsAgainst(snapshot, node);
  const isAnswered = viewsOf(snapshot).length > 0;
  const agreement = against.length === 0 ? 'Every Sentinel that answers names it as the master.' : `${against.join('; ')}.`;
  return [
    {
      check: 'sole-active',
      node: node.node,
      passed: alone,
      detail: alone
        ? 'It accepts writes, and no other node does.'
        : `Nodes that accept writes: ${writable.map((other) => other.node).join(', ') || 'none'}.`,
    },
    {
      check: 'sentinels-agree',
      node: node.node,
      passed: isAnswered ? against.length === 0 : null,
      detail: isAnswered ? agreement : 'No Sentinel answers.',
    },
  ];
}

function replicaState(snapshot: RedisSnapshot, node: RedisNode): readonly CheckResult[] {
  const master = masterOf(snapshot);
  if (master === undefined)
    return [
      { check: 'streaming', node: node.node, passed: false, detail: 'No node is seen to be the master, so it follows nobody.' },
    ];
  return streamChecks(snapshot, node, master);
}

async function readTrial(session: Session, name: string, deadlineMs: number): Promise<CheckResult> {
  return trial(session, name, 'reads', [['EXISTS', TRIAL_KEY]], deadlineMs, ([reply]) => typeof reply === 'number');
}

async function writeTrial(session: Session, name: string, deadlineMs: number): Promise<CheckResult> {
  const [key, value] = [`${TRIAL_KEY}${randomUUID()}`, randomUUID()];
  const commands = [
    ['SET', key, value, 'EX', TRIAL_LIFE_S],
    ['GET', key],
    ['DEL', key],
  ];
  return trial(session, name, 'writes', commands, deadlineMs, ([set, got]) => set === 'OK' && got === value);
}

async function trial(
  session: Session,
  name: string,
  check: string,
  commands: readonly (readonly string[])[],
  deadlineMs: number,
  isFine: (replies: readonly unknown[]) => boolean,
): Promise<CheckResult> {
  const { login } = session;
  const { settings } = sessionNode(session, name);
  const limitMs = Math.min(deadlineMs, TRIAL_LIMIT_MS);
  const answer = await ask({ place: settings, ...(login === undefined ? {} : { login }), commands, deadlineMs: limitMs });
  if (answer.status !== 'answered')
    return { check, node: name, passed: null, detail: `It could not be tried: ${answer.reason}.` };
  const passed = isFine(answer.replies);
  return {
    check,
    node: name,
    passed,
    detail: passed ? 'Tried, and it does.' : `It answered: ${answer.replies.map(sentence).join(', ')}.`,
  };
}
