import type { CheckResult } from '@understudy/cluster';
import type { Purpose } from '../platform.js';
import {
  clusterObstacle,
  isTwoNode,
  leavingObstacle,
  pulledFrom,
  stickinessOf,
  whyNotOffered,
  workloadObstacle,
} from './guards.js';
import { observePacemaker } from './observe.js';
import type { Session } from './session.js';
import type { Answering, PacemakerNode, PacemakerSnapshot } from './snapshot.js';
import { summarise } from './summary.js';
import { activeOf, isFit, isJoined, isOnline, memberOf, notPromotable, picture, stackOf, underWay } from './topology.js';

/** Health before a rollout. Changes nothing. What could not be asked is `passed: null`. */
export async function preflightPacemaker(
  session: Session,
  workload: string,
  deadlineMs: number,
  purpose: Purpose,
): Promise<readonly CheckResult[]> {
  return clusterChecks(await observePacemaker(session, deadlineMs), workload, purpose);
}

/** Pure: what the picture shows. */
export function clusterChecks(snapshot: PacemakerSnapshot, workload: string, purpose: Purpose): readonly CheckResult[] {
  const { complete, disagreements } = summarise(snapshot);
  const seen = picture(snapshot);
  const whole = yesNo(
    'complete',
    complete && disagreements.length === 0,
    'Every host and the cluster as each node sees it was asked, and they agree.',
    `${disagreements.join('; ')}.`,
  );
  if (seen === undefined) return [whole];
  const [cluster, resource, busy] = [clusterObstacle(snapshot), workloadObstacle(snapshot, workload), underWay(snapshot)];
  const active = activeOf(snapshot, workload);
  return [
    whole,
    yesNo(
      'cluster',
      cluster === undefined,
      'It has a quorum, is not in maintenance mode, and no node is UNCLEAN.',
      `${cluster}.`,
    ),
    yesNo('resource', resource === undefined, `${workload} is managed, and nothing of it is blocked.`, `${resource}.`),
    yesNo('settled', busy.length === 0, 'Pacemaker has nothing to do.', `Pacemaker is at work: ${busy.join('; ')}. Let it end.`),
    yesNo(
      'active',
      active !== undefined,
      `${active?.node} serves ${workload}.`,
      `No node, or more than one, serves ${workload}.`,
    ),
    fencing(snapshot, seen),
    quorumPolicy(snapshot, seen),
    failures(seen),
    preference(snapshot, workload),
    ...snapshot.nodes.flatMap((node) => nodeChecks(snapshot, workload, node)),
    ...(purpose === 'moving' ? movingChecks(snapshot, workload, active) : []),
  ];
}

function yesNo(check: string, passed: boolean | null, good: string, bad: string, node?: string): CheckResult {
  return { check, ...(node === undefined ? {} : { node }), passed, detail: passed === true ? good : bad };
}

/** Without fencing nobody can promise that a node that went silent serves no more. */
function fencing({ isFencingOff }: PacemakerSnapshot, { crm }: Answering): CheckResult {
  if (!crm.isFencing && isFencingOff)
    return yesNo('fencing', true, 'Fencing is off (stonith-enabled=false), and the cluster is registered as one without.', '');
  return yesNo(
    'fencing',
    crm.isFencing,
    'Fencing is on.',
    'Fencing is off (stonith-enabled=false): a node that goes silent may go on serving. Set it up, or register the cluster with the setting "fencing: off".',
  );
}

function quorumPolicy(snapshot: PacemakerSnapshot, { crm, quorum }: Answering): CheckResult {
  const isSafe = crm.noQuorumPolicy !== 'ignore' || isTwoNode(snapshot);
  return yesNo(
    'no-quorum-policy',
    isSafe && quorum.isQuorate === true,
    `The cluster has ${quorum.total} of ${quorum.expected} votes; without a quorum: ${crm.noQuorumPolicy}.`,
    isSafe
      ? 'Corosync does not say that it has a quorum.'
      : 'no-quorum-policy is ignore: parts of the cluster that lose each other would each serve.',
  );
}

function failures({ crm }: Answering): CheckResult {
  return yesNo(
    'no-failures',
    crm.failures.length === 0,
    'Pacemaker remembers no failed action.',
    `Pacemaker remembers: ${crm.failures.map(({ what }) => what).join('; ')}. Look why, then forget it: crm_resource --cleanup.`,
  );
}

/** A window moves the workload away and leaves it there: a constraint that prefers one node by more than the stickiness undoes that. */
function preference(snapshot: PacemakerSnapshot, workload: string): CheckResult {
  const pulled = snapshot.nodes.flatMap((node) => pulledFrom(snapshot, workload, node) ?? []);
  return yesNo(
    'stays',
    pulled.length === 0,
    `${workload} stays where it is put (resource-stickiness ${stickinessOf(snapshot, workload)}).`,
    `${pulled[0]}.`,
  );
}

function nodeChecks(snapshot: PacemakerSnapshot, workload: string, node: PacemakerNode): readonly CheckResult[] {
  const stack = stackOf(node);
  const online = onlineCheck(snapshot, node);
  const checks = [
    online,
    yesNo(
      'starts-at-boot',
      stack === undefined ? null : stack.pacemaker.enabled && stack.corosync.enabled,
      'Both units start at boot.',
      stack === undefined
        ? 'Its host could not be looked at.'
        : 'pacemaker or corosync does not start at boot, so that the node would not come back by itself: systemctl enable pacemaker corosync.',
      node.node,
    ),
  ];
  if (online.passed !== true || isJoined(snapshot, workload, node) || notPromotable(snapshot, node) !== undefined) return checks;
  return [...checks, yesNo('follows', false, '', `${whyNotOffered(snapshot, workload, node)}.`, node.node)];
}

function onlineCheck(snapshot: PacemakerSnapshot, node: PacemakerNode): CheckResult {
  const member = memberOf(snapshot, node);
  if (member === undefined) return yesNo('online', false, '', 'It is no member.', node.node);
  const words = [
    member.isOnline ? 'online' : 'offline',
    `its health ${member.health}`,
    ...(member.isMaintenance ? ['in maintenance mode'] : []),
  ];
  const passed = isOnline(snapshot, node) && !member.isMaintenance && member.health === 'green';
  return yesNo('online', passed, 'It is an online member, and its health is green.', `It is ${words.join(', ')}.`, node.node);
}

function movingChecks(snapshot: PacemakerSnapshot, workload: string, active: PacemakerNode | undefined): readonly CheckResult[] {
  const fit = snapshot.nodes.filter((node) => isFit(snapshot, workload, node));
  const votes = snapshot.nodes.map((node) => leavingObstacle(snapshot, node)).find((obstacle) => obstacle !== undefined);
  return [
    yesNo(
      'standby',
      fit.length > 0,
      `${fit.map(({ node }) => node).join(', ')} may take over from ${active?.node}.`,
      'No other node may take over.',
    ),
    yesNo('quorum-without-one', votes === undefined, 'A quorum is left with any one node away.', `${votes}.`),
  ];
}
