import { act, stuck, wait, type PostgresNext } from './next.js';
import type { Disk, PostgresGoal, PostgresNode, PostgresSnapshot, Sender } from './snapshot.js';
import { formatSynchronousNames, parseSynchronousNames, type SynchronousNames } from '../postgres/synchronous-names.js';
import { answering, diskOf, isDown, isWritable, pointsAt, senderFor, upstreamOf, writableOnes } from './topology.js';

/** A receiver that has confirmed nothing new for so long after it was asked counts for no commit, in milliseconds. */
const CONFIRM_PATIENCE_MS = 2_000;

/** Out of service and not electable, on disk. Commits on the active node never wait for a node that we take away. */
export function nextDrain(snapshot: PostgresSnapshot, goal: PostgresGoal, node: PostgresNode): PostgresNext {
  const disk = diskOf(node);
  if (disk === undefined) return wait(`host ${node.host} cannot be looked at`);
  if (isWritable(node)) return stuck(`node ${node.node} serves: a drain never moves the workload, switch over first`);
  const active = writableOnes(snapshot)[0];
  if (disk.drained && !disk.autostart && isDown(node)) return { next: 'done' };
  if (active === undefined) return wait('no node is seen to serve, so it cannot be told what the drain would do to the workload');
  const fed = fedBy(snapshot, node);
  if (fed !== undefined) return stuck(`node ${fed.node} replicates from ${node.node}: point it at the active node first`);
  return relaxed(goal, active, node) ?? takeOut(node, disk);
}

/** The mark first, then the stop: a start in between finds it marked. */
function takeOut(node: PostgresNode, disk: Disk): PostgresNext {
  if (!disk.drained || disk.autostart) return act({ act: 'mark-drained', host: node.host, node: node.node });
  if (disk.process) return act({ act: 'stop', host: node.host, node: node.node });
  return wait(`node ${node.node} is stopping`);
}

function fedBy(snapshot: PostgresSnapshot, node: PostgresNode): PostgresNode | undefined {
  return snapshot.nodes.find(
    (other) => other !== node && answering(other)?.inRecovery === true && pointsAt(upstreamOf(other), node),
  );
}

/**
 * What has to happen to `synchronous_standby_names` before commits no longer wait for `leaving`; undefined: nothing. Others may
 * count in its place, if they confirm: a receiver that hangs still shows as `streaming`, until `wal_sender_timeout` ends it. So
 * a checkpoint writes a record, and who has confirmed that one counts.
 */
function relaxed(goal: PostgresGoal, active: PostgresNode, leaving: PostgresNode): PostgresNext | undefined {
  const server = answering(active);
  const current = parseSynchronousNames(server?.synchronousNames ?? '');
  const own = senderFor(active, leaving);
  const name = own?.applicationName ?? upstreamOf(leaving)?.applicationName ?? leaving.node;
  if (server === undefined || current.needed === 0 || !isNamed(current, name)) return undefined;
  const others = server.senders.filter(
    (sender) => sender.pid !== own?.pid && sender.state === 'streaming' && isNamed(current, sender.applicationName),
  );
  const asked = others.length === 0 ? 'over' : confirmation(goal, active, others);
  if (asked !== 'over') return asked;
  const checkpoint = diskOf(active)?.control?.checkpointLsn ?? Infinity;
  const counting = others.filter((sender) => hasConfirmed(sender, checkpoint)).map((sender) => sender.applicationName);
  // In the order of the setting, which is one of priority.
  const names = current.names.includes('*') ? counting : current.names.filter((each) => counting.some(isSame(each)));
  const needed = new Set(names).size;
  if (needed >= current.needed) return undefined;
  const fewer = formatSynchronousNames({ method: current.method, needed, names: [...new Set(names)] });
  return act({ act: 'relax-synchronous', host: active.host, node: active.node, names: fewer, drained: leaving.node });
}

function isNamed({ names }: SynchronousNames, applicationName: string): boolean {
  return names.includes('*') || names.some(isSame(applicationName));
}

/** PostgreSQL compares these names without regard to case. */
function isSame(name: string): (other: string) => boolean {
  return (other) => other.toLowerCase() === name.toLowerCase();
}

/** A record newer than this call, and the others' time to confirm it. */
function confirmation(goal: PostgresGoal, active: PostgresNode, others: readonly Sender[]): PostgresNext | 'over' {
  const disk = diskOf(active);
  if (disk === undefined) return wait(`host ${active.host} cannot be looked at, and others may have to count for commits`);
  const first = goal.firstSeen?.get(active.node);
  const checkpoint = disk.control?.checkpointLsn ?? 0;
  if (first === undefined || checkpoint < first.lsn) return act({ act: 'checkpoint', host: active.host, node: active.node });
  const silent = others.filter((sender) => !hasConfirmed(sender, checkpoint));
  if (silent.length === 0 || first.askedAgoMs > CONFIRM_PATIENCE_MS) return 'over';
  return wait(`not yet confirmed by ${silent.map(({ applicationName, pid }) => `${applicationName} (pid ${pid})`).join(', ')}`);
}

function hasConfirmed({ confirmedLsn }: Sender, checkpoint: number): boolean {
  return confirmedLsn !== null && confirmedLsn > checkpoint;
}
