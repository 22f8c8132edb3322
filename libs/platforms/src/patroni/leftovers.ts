import type { Leftover } from '@understudy/cluster';
import { HELPER } from '@understudy/hosts';
import type { PatroniNode } from './snapshot.js';
import { isDown, unitOf } from './topology.js';

/** What acts of ours have left on a node's host, with the commands that take it away. Pure. Run as root there. */
export function leftoversOf(node: PatroniNode): readonly Leftover[] {
  const unit = unitOf(node);
  if (unit === undefined) return [];
  const left = (kind: Leftover['kind'], what: string, commands: readonly string[]): Leftover => ({
    kind,
    node: node.node,
    what,
    host: node.host,
    commands,
  });
  const start = isDown(node) ? [`systemctl start ${unit.name}`] : [];
  if (unit.held || unit.tagged) {
    const held = unit.held ? [`${unit.name} is held, so that nothing starts it`] : [];
    const tagged = unit.tagged ? ['its member carries our tag nofailover'] : [];
    return [
      left('drained', `${node.node} is drained: ${[...held, ...tagged].join(', and ')}.`, [
        ...(unit.held ? [`${HELPER} unit-free ${unit.name}`] : []),
        ...start,
        ...(unit.tagged ? [`${HELPER} patroni-tag none`] : []),
      ]),
    ];
  }
  return isDown(node) ? [left('stopped', `${unit.name} does not run on ${node.node}.`, start)] : [];
}
