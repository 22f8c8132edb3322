import { nextLowered } from './next-priority.js';
import { actOrGiveUp, askedOf, onNode, stuck, wait, type RedisNext } from './next.js';
import { placeName } from './settings.js';
import type { RedisGoal, RedisNode, RedisSnapshot, Unit } from './snapshot.js';
import {
  ceilingBytes,
  isDown,
  isWritable,
  lagBytes,
  lagsWithin,
  masterOf,
  nodeAt,
  sentinelName,
  sentinelsAgainst,
  serverOf,
  streams,
  unitOf,
  viewedReplica,
} from './topology.js';

/** A replica again, with the master's data and every Sentinel's knowledge. The priority 0 that keeps it from being elected stays. */
export function nextJoin(snapshot: RedisSnapshot, goal: RedisGoal, node: RedisNode): RedisNext {
  const unit = unitOf(node);
  if (unit === undefined) return wait(`host ${node.host} cannot be looked at`);
  const writable = snapshot.nodes.filter(isWritable);
  if (isWritable(node)) return stuck(cameAsMaster(node, writable.length));
  const master = masterOf(snapshot);
  if (master === undefined) return wait('no node is seen to be the master, so there is nothing to join');
  if (unit.held && !startsAsReplica(unit)) return stuck(wouldBeMaster(node, unit));
  if (unit.held) return onNode(goal, 'free', node);
  return runUnit(goal, node, unit) ?? catchUp(snapshot, goal, node, master) ?? known(snapshot, node) ?? { next: 'done' };
}

function cameAsMaster(node: RedisNode, masters: number): string {
  return masters > 1
    ? `node ${node.node} came up as a master beside another one: stop it at once, and see whom its configuration file says it follows`
    : `node ${node.node} is the master: it is the one to join`;
}

/** A drain verified that its file says whom it follows; whoever took that away since would have two masters. */
function startsAsReplica({ file }: Unit): boolean {
  return file.read && file.follows !== null;
}

function wouldBeMaster(node: RedisNode, { file }: Unit): string {
  return file.read
    ? `node ${node.node} stays held: its configuration file names nobody to follow, so it would start as a second master. Add the line "replicaof ADDRESS PORT" of the master`
    : `node ${node.node} stays held: its configuration file cannot be looked at (${file.reason}), and it could start as a second master`;
}

/** Starts a unit that is off; undefined when it runs and Redis answers with its data loaded. */
export function runUnit(goal: RedisGoal, node: RedisNode, unit: Unit): RedisNext | undefined {
  const isOff = unit.activeState === 'inactive' || unit.activeState === 'failed';
  if (isOff && !isDown(node)) return wait(`${unit.name} on ${node.node} is off, and something of it still answers`);
  if (isOff) return onNode(withLastWords(goal, node, unit), 'start', node);
  const server = serverOf(node);
  if (server === undefined) return wait(`${unit.name} on ${node.node} is ${unit.activeState}, and Redis does not answer yet`);
  return server.isLoading ? wait(`node ${node.node} loads its data`) : undefined;
}

/** What is told when the starts are given up: systemd's word for how the last one ended. */
function withLastWords(goal: RedisGoal, node: RedisNode, unit: Unit): RedisGoal {
  const asked = askedOf(goal, 'start', node.node);
  if (asked === undefined) return goal;
  const said = `${asked.said}; ${unit.name} is ${unit.activeState} (${unit.subState}), and ended with ${unit.result || 'no result'}`;
  return { ...goal, asked: new Map(goal.asked).set(`start ${node.node}`, { ...asked, said }) };
}

function catchUp(snapshot: RedisSnapshot, goal: RedisGoal, node: RedisNode, master: RedisNode): RedisNext | undefined {
  const link = serverOf(node)?.link;
  // Somebody set it: what we took away stays away until the release.
  if (unitOf(node)?.kept?.purpose === 'drain' && serverOf(node)?.priority !== 0)
    return nextLowered(snapshot, goal, node, 'drain');
  const followed = link && nodeAt(snapshot, link.master);
  if (followed !== master) {
    const against = sentinelsAgainst(snapshot, master);
    if (against.length > 0) return wait(against.join('; '));
    return actOrGiveUp(goal, { act: 'follow', host: node.host, node: node.node, master: master.node });
  }
  if (link?.isCopying === true) return wait(`node ${node.node} takes a whole copy of ${master.node}`);
  if (!streams(snapshot, node))
    return wait(
      `node ${node.node} does not receive the stream of ${placeName(master)} yet (its link is ${link?.isUp ? 'up' : 'down'})`,
    );
  if (lagsWithin(snapshot, node)) return undefined;
  return wait(
    `node ${node.node} is ${lagBytes(snapshot, node) ?? 'an unknown number of'} bytes behind; the ceiling is ${ceilingBytes(snapshot)}`,
  );
}

/** Its own Sentinel is back, and each one sees the node: the next host may go away. */
function known(snapshot: RedisSnapshot, node: RedisNode): RedisNext | undefined {
  for (const sentinel of snapshot.sentinels) {
    const { view } = sentinel;
    const name = sentinelName(sentinel);
    if (view.says === 'nothing' && sentinel.node === node.node) return wait(`${name} does not answer yet (${view.reason})`);
    if (view.says === 'nothing') continue;
    const viewed = viewedReplica(view, node);
    if (viewed === undefined) return wait(`${name} knows of no replica ${node.node} yet`);
    if (viewed.flags.includes('s_down')) return wait(`${name} still says that ${node.node} is down`);
  }
  return undefined;
}
