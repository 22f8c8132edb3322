import type { Evidence } from '../platform.js';
import { observeRedis } from './observe.js';
import type { Session } from './session.js';
import type { RedisSnapshot } from './snapshot.js';
import {
  canFailOver,
  isFit,
  isWritable,
  lagBytes,
  masterOf,
  sentinelsAgainst,
  silentSentinels,
  viewsOf,
  votesWithout,
} from './topology.js';

/** What was seen that speaks for or against an HA layer; what was declared counts for nothing here. */
export async function collectEvidence(session: Session, deadlineMs: number): Promise<readonly Evidence[]> {
  return evidenceOf(await observeRedis(session, deadlineMs));
}

/** Pure. `application` needs a master that the Sentinels agree on, votes enough to fail over, and a replica that may be promoted. */
export function evidenceOf(snapshot: RedisSnapshot): readonly Evidence[] {
  const none = (detail: string): readonly Evidence[] => [{ supports: 'none', detail }];
  const writable = snapshot.nodes.filter(isWritable);
  if (writable.length > 1)
    return none(
      `More than one node accepts writes (${writable.map(({ node }) => node).join(', ')}): these are separate databases, not one cluster.`,
    );
  const master = masterOf(snapshot);
  if (master === undefined) return none('No Redis was seen that is a master, so nothing shows that a workload is protected.');
  if (viewsOf(snapshot).length === 0)
    return none(`No Sentinel answers (${silentSentinels(snapshot).join('; ')}): nobody would take over from ${master.node}.`);
  const against = sentinelsAgainst(snapshot, master);
  if (against.length > 0) return none(`${master.node} is a master, and not every Sentinel agrees: ${against.join('; ')}.`);
  const votes = votesWithout(snapshot);
  if (votes === undefined || !canFailOver(votes))
    return none(`The Sentinels that answer are too few to fail over: away are ${votes?.away.join(' and ') ?? 'all'}.`);
  const fit = snapshot.nodes.filter((node) => isFit(snapshot, node));
  if (fit.length === 0) return none(`${master.node} is the master, and no replica that a Sentinel could promote was seen.`);
  return fit.map((node) => ({
    supports: 'application' as const,
    detail: `${viewsOf(snapshot).length} of ${votes.all} Sentinels answer and name ${master.node} as the master of "${snapshot.master}"; ${node.node} receives its stream, ${lagBytes(snapshot, node)} bytes behind, and can be promoted.`,
  }));
}
