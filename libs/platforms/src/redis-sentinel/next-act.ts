import { nextDrain } from './next-drain.js';
import { nextJoin } from './next-join.js';
import { nextRelease } from './next-release.js';
import { nextStart, nextStop } from './next-service.js';
import { nextSwitchover } from './next-switchover.js';
import { stuck, type RedisNext } from './next.js';
import type { RedisGoal, RedisSnapshot } from './snapshot.js';
import { nodeNamed } from './topology.js';

/** The next act towards a goal, from one observation and what this call did so far. Pure. */
export function nextAct(snapshot: RedisSnapshot, goal: RedisGoal): RedisNext {
  const node = nodeNamed(snapshot, goal.node);
  if (node === undefined) return stuck(`there is no node ${goal.node} in cluster ${snapshot.cluster}`);
  switch (goal.verb) {
    case 'drain':
      return nextDrain(snapshot, goal, node);
    case 'join':
      return nextJoin(snapshot, goal, node);
    case 'release':
      return nextRelease(snapshot, goal, node);
    case 'switchover':
      return nextSwitchover(snapshot, goal, node);
    case 'stop':
      return nextStop(snapshot, goal, node);
    case 'start':
      return nextStart(goal, node);
  }
}
