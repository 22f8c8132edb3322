import type { CheckResult } from '@understudy/cluster';
import { silenceOf } from '../postgres/answering.js';
import { activeChecks, readCheck, readinessChecks } from '../postgres/trials.js';
import { observePostgres, type Session } from './observe.js';
import type { PostgresNode, PostgresSnapshot } from './snapshot.js';
import { answering, lagBytes, nodeNamed, streamsFrom, writableOnes } from './topology.js';

/** The look itself; the trials have limits of their own. */
const LOOK_LIMIT_MS = 5_000;

/** The minimum that a node must pass before it serves or is called done. */
export async function validatePostgres(
  session: Session,
  name: string,
  asActive: boolean,
  deadlineMs: number,
): Promise<readonly CheckResult[]> {
  const snapshot = await observePostgres(session, Math.min(deadlineMs, LOOK_LIMIT_MS));
  const node = nodeNamed(snapshot, name);
  const here = session.nodes.find((candidate) => candidate.settings.node === name);
  if (node === undefined || here === undefined)
    return [{ check: 'known', node: name, passed: false, detail: `There is no node ${name}.` }];
  const state = stateChecks(snapshot, node, asActive);
  const server = answering(node);
  if (server === undefined) return state;
  const { connections } = session;
  const reads = await readCheck(connections, here.settings, deadlineMs);
  const readiness = await readinessChecks(connections, here, membersAsNames(session), deadlineMs);
  if (!asActive) return [...state, reads, ...readiness];
  return [...state, reads, ...readiness, ...(await activeChecks(connections, here.settings, server, deadlineMs))];
}

/** Pure: what the picture itself shows. */
export function stateChecks(snapshot: PostgresSnapshot, node: PostgresNode, asActive: boolean): readonly CheckResult[] {
  const server = answering(node);
  const check = (label: string, passed: boolean | null, detail: string): CheckResult => ({
    check: label,
    node: node.node,
    passed,
    detail,
  });
  if (server === undefined) return [check('answers', false, `The server does not answer: ${silenceOf(node.server)}.`)];
  const installed = node.disk.seen ? node.disk.installedVersion : null;
  const same = installed === null ? null : installed === server.version;
  const common = [
    check('answers', true, 'The server answers.'),
    check(
      'version',
      same,
      same === true
        ? `${server.version} runs and is installed.`
        : `${server.version} runs, ${installed ?? 'an unknown version'} is installed. Restart it to run what is installed.`,
    ),
  ];
  return [...common, ...(asActive ? activeState(snapshot, node) : standbyState(snapshot, node))].map((result) => ({
    ...result,
    node: node.node,
  }));
}

function activeState(snapshot: PostgresSnapshot, node: PostgresNode): readonly CheckResult[] {
  const actives = writableOnes(snapshot);
  const alone = actives.length === 1 && actives[0] === node;
  return [
    {
      check: 'sole-active',
      passed: alone,
      detail: alone
        ? 'It accepts writes, and no other node does.'
        : `Nodes that accept writes: ${actives.map((other) => other.node).join(', ') || 'none'}.`,
    },
  ];
}

function standbyState(snapshot: PostgresSnapshot, node: PostgresNode): readonly CheckResult[] {
  const [active] = writableOnes(snapshot);
  const streams = active !== undefined && streamsFrom(node, active);
  const lag = active === undefined ? null : lagBytes(node, active);
  const timeline = answering(node)?.timeline;
  return [
    {
      check: 'streaming',
      passed: streams,
      detail: streams ? `It streams from ${active.node}.` : 'It does not stream from the active node.',
    },
    {
      check: 'timeline',
      passed: active === undefined ? null : timeline === answering(active)?.timeline,
      detail: `It is on timeline ${timeline}; the active node on ${active === undefined ? 'an unknown one' : answering(active)?.timeline}.`,
    },
    {
      check: 'lag',
      passed: lag === null ? null : lag <= snapshot.lagCeilingBytes,
      detail: `${lag ?? 'An unknown number of'} bytes behind; the ceiling is ${snapshot.lagCeilingBytes}.`,
    },
  ];
}

/** How members of this cluster may be called in `synchronous_standby_names`. */
function membersAsNames(session: Session): ReadonlySet<string> {
  return new Set(
    session.nodes.flatMap(({ settings }) => [
      settings.node.toLowerCase(),
      settings.slot,
      settings.node.toLowerCase().replaceAll('-', '_'),
    ]),
  );
}
