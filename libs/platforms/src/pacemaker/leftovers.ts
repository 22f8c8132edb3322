import type { Leftover } from '@understudy/cluster';
import { HELPER } from '@understudy/hosts';
import type { PacemakerNode, PacemakerSnapshot } from './snapshot.js';
import { bans, isDown, moveOf, stackOf } from './topology.js';

/** What acts of ours have left for a node, with the commands that take it away, to be run as root on its host. Pure. */
export function leftoversOf(snapshot: PacemakerSnapshot, node: PacemakerNode): readonly Leftover[] {
  return [...drained(snapshot, node), ...moved(snapshot, node)];
}

function drained(snapshot: PacemakerSnapshot, node: PacemakerNode): readonly Leftover[] {
  const stack = stackOf(node);
  if (stack === undefined) return [];
  const banned = bans(snapshot, node).map(({ resource }) => resource ?? '');
  const held = [stack.corosync.held ? 'corosync' : '', stack.pacemaker.held ? 'pacemaker' : ''].filter((unit) => unit !== '');
  const left = (kind: Leftover['kind'], what: string, commands: readonly string[]): readonly Leftover[] => [
    { kind, node: node.node, what, host: node.host, commands },
  ];
  const start = isDown(node) ? ['systemctl start pacemaker.service'] : [];
  const out = outWords(held, stack.standbyIsOurs, banned);
  if (out !== '')
    return left('drained', `${node.node} is out: ${out}.`, [
      ...held.map((unit) => `${HELPER} unit-free ${unit}.service`),
      ...start,
      ...(stack.standbyIsOurs ? [`${HELPER} pacemaker-standby none`] : []),
      ...banned.map((resource) => `${HELPER} pacemaker-unban ${resource}`),
    ]);
  return isDown(node) ? left('stopped', `Pacemaker does not run on ${node.node}.`, start) : [];
}

function outWords(held: readonly string[], isStandby: boolean, banned: readonly string[]): string {
  return [
    ...(held.length > 0 ? [`${held.join(' and ')} held, so that nothing starts them`] : []),
    ...(isStandby ? ['on standby'] : []),
    ...(banned.length > 0 ? [`${banned.join(', ')} banned from it`] : []),
  ].join(', ');
}

/** A constraint of a switchover that was cut off pins the workload to its target. */
function moved(snapshot: PacemakerSnapshot, node: PacemakerNode): readonly Leftover[] {
  return snapshot.workloads
    .filter((workload) => moveOf(snapshot, workload)?.member === node.member)
    .map((workload) => ({
      kind: 'switchover' as const,
      node: node.node,
      what: `A constraint of a switchover pins ${workload} to ${node.node}.`,
      host: node.host,
      commands: [`${HELPER} pacemaker-clear ${workload}`],
    }));
}
