import type { CheckResult } from '@understudy/cluster';
import { activeChecks, readCheck, readinessChecks } from '../postgres/trials.js';
import { observePatroni } from './observe.js';
import { replicationChecks } from './preflight.js';
import type { Session } from './session.js';
import type { PatroniNode, PatroniSnapshot } from './snapshot.js';
import { apiOf, isWritable, leaderOf, nodeNamed, runs, serverOf, viewOf } from './topology.js';
import { versionsOf } from './versions.js';

/** The look itself; the trials have limits of their own. */
const LOOK_LIMIT_MS = 5_000;

/** The minimum that a node must pass before it serves or is called done. */
export async function validatePatroni(
  session: Session,
  name: string,
  asActive: boolean,
  deadlineMs: number,
): Promise<readonly CheckResult[]> {
  const snapshot = await observePatroni(session, Math.min(deadlineMs, LOOK_LIMIT_MS));
  const node = nodeNamed(snapshot, name);
  const here = session.nodes.find(({ settings }) => settings.node === name);
  if (node === undefined || here === undefined)
    return [{ check: 'known', node: name, passed: false, detail: `There is no node ${name}.` }];
  const state = memberStateChecks(snapshot, node, asActive);
  const server = serverOf(node);
  if (server === undefined) return state;
  const { connections } = session;
  const members = new Set(session.nodes.map(({ settings }) => settings.member.toLowerCase()));
  const reads = await readCheck(connections, here.settings, deadlineMs);
  const readiness = await readinessChecks(connections, here, members, deadlineMs);
  if (!asActive) return [...state, reads, ...readiness];
  return [...state, reads, ...readiness, ...(await activeChecks(connections, here.settings, server, deadlineMs))];
}

/** Pure: what the picture itself shows. */
export function memberStateChecks(snapshot: PatroniSnapshot, node: PatroniNode, asActive: boolean): readonly CheckResult[] {
  const member = apiOf(node)?.member;
  const check = (label: string, passed: boolean | null, detail: string): CheckResult => ({
    check: label,
    node: node.node,
    passed,
    detail,
  });
  if (member === undefined)
    return [check('answers', false, `Its member does not answer: ${node.api.says === 'nothing' ? node.api.reason : ''}.`)];
  const server = node.server.says;
  const common = [
    check(
      'answers',
      server === 'answers',
      server === 'answers' ? 'Patroni and the server answer.' : `Patroni answers, the server does not: ${server}.`,
    ),
    check('member', runs(node), `Patroni says: ${member.role}, ${member.state}.`),
    ...versionChecks(snapshot, node),
    check(
      'pending-restart',
      !member.pendingRestart,
      member.pendingRestart ? 'A setting still waits for a restart.' : 'Nothing waits for a restart.',
    ),
  ];
  return [...common, ...(asActive ? leaderState(snapshot, node) : standbyState(snapshot, node))];
}

/** An upgraded package below a server that was not restarted leaves the old binary running. */
function versionChecks(snapshot: PatroniSnapshot, node: PatroniNode): readonly CheckResult[] {
  const versions = Object.entries(versionsOf(snapshot, node));
  return versions
    .filter(([item, { installed }]) => item === 'postgresql' || installed !== null)
    .map(([item, { installed, running }]) => ({
      check: item === 'postgresql' ? 'version' : `version-${item}`,
      node: node.node,
      passed: installed === null || running === null ? null : installed === running,
      detail:
        installed !== null && installed === running
          ? `${item} ${running} runs and is installed.`
          : `${item} ${running ?? 'of an unknown version'} runs, ${installed ?? 'an unknown version'} is installed. Restart it to run what is installed.`,
    }));
}

function leaderState(snapshot: PatroniSnapshot, node: PatroniNode): readonly CheckResult[] {
  const writable = snapshot.nodes.filter(isWritable);
  const alone = writable.length === 1 && writable[0] === node;
  const named = viewOf(snapshot)?.members.find(({ role }) => role === 'leader')?.name;
  const holds = apiOf(node)?.holdsKey ?? null;
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
      check: 'leader-key',
      node: node.node,
      passed: holds === null ? null : holds && named === node.member,
      detail: `It ${holds === true ? 'holds' : 'does not hold'} the leader key by its own account; the cluster names ${named ?? 'nobody'}.`,
    },
  ];
}

function standbyState(snapshot: PatroniSnapshot, node: PatroniNode): readonly CheckResult[] {
  const leader = leaderOf(snapshot);
  if (leader === undefined)
    return [
      { check: 'streaming', node: node.node, passed: false, detail: 'No node is seen to lead, so it streams from nobody.' },
    ];
  return replicationChecks(snapshot, node, leader);
}
