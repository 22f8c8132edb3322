import type { Leftover } from '@understudy/cluster';
import { HELPER } from '@understudy/hosts';
import { hasNoPosition } from './give-back.js';
import type { RedisNode } from './snapshot.js';
import { isDown, isFenced, unitOf } from './topology.js';
import { NOTES } from './unit.js';

/**
 * What acts of ours have left on a node's host, with the commands that take it away. Pure. Run as root there; where Redis asks
 * for a password, `REDISCLI_AUTH` holds it.
 * @param master the only one that takes writes, if there is one.
 */
export function leftoversOf(node: RedisNode, master: RedisNode | undefined): readonly Leftover[] {
  const unit = unitOf(node);
  if (unit === undefined) return [];
  const left = (kind: Leftover['kind'], what: string, ...commands: readonly string[]): readonly Leftover[] => [
    { kind, node: node.node, what, host: node.host, commands },
  ];
  const start = isDown(node) ? [`systemctl start ${unit.name}`] : [];
  const priority = unit.kept === null ? [] : restore(node, unit.kept.priority);
  if (isFenced(node)) return left('switchover', fencedWords(node, master), ...unfence(node, master), ...priority);
  const out = [
    ...(unit.held ? [`${unit.name} is held, so that nothing starts it`] : []),
    ...(unit.kept === null ? [] : [`its replica-priority is 0 in place of ${unit.kept.priority}`]),
  ];
  const free = unit.held ? [`${HELPER} unit-free ${unit.name}`] : [];
  if (out.length > 0)
    return left('drained', `${node.node} is out of election: ${out.join(', and ')}.`, ...free, ...start, ...priority);
  return isDown(node) ? left('stopped', `${unit.name} does not run on ${node.node}.`, ...start) : [];
}

function fencedWords(node: RedisNode, master: RedisNode | undefined): string {
  const what = `Redis on ${node.node} follows itself, so that it takes no writes.`;
  if (master !== undefined) return what;
  return hasNoPosition(node)
    ? `${what} It was restarted since and may lack some: a Sentinel has to promote the replica that has them, and nobody to make it a master again.`
    : `${what} Make sure that no Sentinel is in a failover, and that all name it as the master, before it takes writes again.`;
}

/** Follows whoever leads now; where nobody does, it leads again, if it lost nothing. */
function unfence(node: RedisNode, master: RedisNode | undefined): readonly string[] {
  if (master === undefined && hasNoPosition(node)) return [];
  const follow = master === undefined ? 'no one' : `${master.address} ${master.port}`;
  return [`${cli(node)} replicaof ${follow}`, `${cli(node)} config rewrite`];
}

function restore(node: RedisNode, priority: number): readonly string[] {
  return [
    `${cli(node)} config set replica-priority ${priority}`,
    `${cli(node)} config rewrite`,
    `rm ${node.root}/${NOTES}/${node.node}`,
  ];
}

function cli({ address, port }: RedisNode): string {
  return `redis-cli -h ${address} -p ${port}`;
}
