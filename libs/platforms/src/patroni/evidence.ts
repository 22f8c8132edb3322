import type { Evidence } from '../platform.js';
import { observePatroni } from './observe.js';
import type { Session } from './session.js';
import type { PatroniSnapshot } from './snapshot.js';
import { summarise } from './summary.js';
import { apiOf, isElectable, isWritable, lagBytes, lagsWithin, leaderOf, standingReason, streams } from './topology.js';

/** What was seen that speaks for or against an HA layer; what was declared counts for nothing here. */
export async function collectEvidence(session: Session, deadlineMs: number): Promise<readonly Evidence[]> {
  return evidenceOf(await observePatroni(session, deadlineMs));
}

/**
 * Pure. `application` needs a leader that holds the key in the store, members that agree on it, and a standby that streams
 * and may be promoted: any less, and nobody would take over.
 */
export function evidenceOf(snapshot: PatroniSnapshot): readonly Evidence[] {
  const none = (detail: string): readonly Evidence[] => [{ supports: 'none', detail }];
  const writable = snapshot.nodes.filter(isWritable);
  if (writable.length > 1)
    return none(
      `More than one node accepts writes (${writable.map(({ node }) => node).join(', ')}): these are separate databases, not one cluster.`,
    );
  const leader = leaderOf(snapshot);
  if (leader === undefined)
    return none(
      'No member of Patroni was seen that runs as the primary and holds the leader key, so nothing shows that a workload is protected.',
    );
  const named = snapshot.nodes
    .flatMap((node) => apiOf(node)?.view ?? [])
    .map((view) => view.members.find(({ role }) => role === 'leader')?.name);
  if (named.some((name) => name !== leader.member))
    return none(
      `${leader.node} says that it leads, and not every member names it as the leader: ${summarise(snapshot).disagreements.join('; ')}.`,
    );
  const fit = snapshot.nodes.filter(
    (node) => streams(snapshot, node) && lagsWithin(snapshot, node) && isElectable(node) && standingReason(node) === undefined,
  );
  if (fit.length === 0)
    return none(`${leader.node} leads, and no standby that Patroni could promote was seen: ${whyNone(snapshot)}.`);
  return fit.map((node) => ({
    supports: 'application' as const,
    detail: `Patroni names ${leader.node} as the leader of "${snapshot.scope}", and it holds the leader key; ${node.node} streams from it on timeline ${apiOf(node)?.member.timeline}, ${lagBytes(snapshot, node)} bytes behind, and can be promoted.`,
  }));
}

function whyNone(snapshot: PatroniSnapshot): string {
  const leader = leaderOf(snapshot);
  const others = snapshot.nodes.filter((node) => node !== leader);
  if (others.length === 0) return 'it is the only node';
  return others
    .map((node) => `${node.node} ${standingReason(node) ?? (streams(snapshot, node) ? 'lags or is drained' : 'does not stream')}`)
    .join('; ');
}
