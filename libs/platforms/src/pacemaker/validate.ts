import type { CheckResult } from '@understudy/cluster';
import { observePacemaker } from './observe.js';
import type { Session } from './session.js';
import type { PacemakerNode, PacemakerSnapshot } from './snapshot.js';
import { workloadObstacle, whyNotOffered } from './guards.js';
import { activeOf, isJoined, isOnline, nodeNamed, picture, resourceNamed, viewOf } from './topology.js';
import { versionsOf } from './versions.js';

/** The minimum that a node must pass before it serves or is called done. Whether writes are taken is the probe's to see. */
export async function validatePacemaker(
  session: Session,
  workload: string,
  name: string,
  asActive: boolean,
  deadlineMs: number,
): Promise<readonly CheckResult[]> {
  const snapshot = await observePacemaker(session, deadlineMs);
  const node = nodeNamed(snapshot, name);
  if (node === undefined) return [{ check: 'known', node: name, passed: false, detail: `There is no node ${name}.` }];
  return stateChecks(snapshot, workload, node, asActive);
}

/** Pure: what the picture itself shows. */
export function stateChecks(
  snapshot: PacemakerSnapshot,
  workload: string,
  node: PacemakerNode,
  asActive: boolean,
): readonly CheckResult[] {
  const check = (label: string, passed: boolean | null, good: string, bad: string): CheckResult => ({
    ...{ check: label, node: node.node, passed },
    detail: passed === true ? good : bad,
  });
  const silence = node.view.says === 'nothing' ? node.view.reason : '';
  if (viewOf(node) === undefined) return [check('answers', false, '', `The cluster cannot be seen from it: ${silence}.`)];
  const failed = failuresOn(snapshot, workload, node);
  return [
    check('answers', true, 'The cluster is seen from it.', ''),
    check('online', isOnline(snapshot, node), 'It is an online member.', 'It is no online member.'),
    ...Object.entries(versionsOf(node)).map(([item, { installed, running }]) =>
      check(
        `version-${item}`,
        installed === null ? null : installed === running,
        `${item} ${installed} is installed and runs.`,
        `${item} ${installed ?? 'of an unknown version'} is installed, and something else runs.`,
      ),
    ),
    check(
      'no-failures',
      failed.length === 0,
      `Nothing of ${workload} has failed there.`,
      `Pacemaker remembers: ${failed.join('; ')}.`,
    ),
    asActive ? serving(snapshot, workload, node, check) : following(snapshot, workload, node, check),
  ];
}

type Check = (label: string, passed: boolean | null, good: string, bad: string) => CheckResult;

function serving(snapshot: PacemakerSnapshot, workload: string, node: PacemakerNode, check: Check): CheckResult {
  const active = activeOf(snapshot, workload);
  const obstacle = workloadObstacle(snapshot, workload);
  return check(
    'sole-active',
    active === node && obstacle === undefined,
    `It serves ${workload}, and no other node does.`,
    obstacle === undefined ? `${workload} is served by ${active?.node ?? 'nobody, or more than one'}.` : `${obstacle}.`,
  );
}

function following(snapshot: PacemakerSnapshot, workload: string, node: PacemakerNode, check: Check): CheckResult {
  const joined = isJoined(snapshot, workload, node);
  return check('follows', joined, `It could serve ${workload}.`, `${whyNotOffered(snapshot, workload, node)}.`);
}

function failuresOn(snapshot: PacemakerSnapshot, workload: string, { member }: PacemakerNode): readonly string[] {
  const seen = picture(snapshot);
  const instances = resourceNamed(seen?.crm.resources ?? [], workload)?.instances ?? [];
  const parts = new Set([workload, ...instances.map(({ id }) => id.replace(/:\d+$/, ''))]);
  const found = seen?.crm.failures ?? [];
  return found.filter((failure) => failure.member === member && parts.has(failure.resource)).map(({ what }) => what);
}
