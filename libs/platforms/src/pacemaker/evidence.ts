import type { Evidence } from '../platform.js';
import { observePacemaker } from './observe.js';
import type { Session } from './session.js';
import type { PacemakerSnapshot } from './snapshot.js';
import { clusterObstacle, whyNotOffered } from './guards.js';
import { activeOf, isFit, picture, resourceNamed } from './topology.js';

/** What was seen that speaks for or against an HA layer; what was declared counts for nothing here. */
export async function collectEvidence(session: Session, deadlineMs: number): Promise<readonly Evidence[]> {
  return evidenceOf(await observePacemaker(session, deadlineMs));
}

/** Pure. `application` needs a resource that Pacemaker manages and serves on one node, and another that it could go to. */
export function evidenceOf(snapshot: PacemakerSnapshot): readonly Evidence[] {
  const none = (detail: string): readonly Evidence[] => [{ supports: 'none', detail }];
  const obstacle = clusterObstacle(snapshot);
  const seen = picture(snapshot);
  if (obstacle !== undefined || seen === undefined) return none(`Nothing shows that a workload is protected: ${obstacle}.`);
  const unserved = snapshot.workloads.find((workload) => activeOf(snapshot, workload) === undefined);
  if (unserved !== undefined)
    return none(
      resourceNamed(seen.crm.resources, unserved) === undefined
        ? `Pacemaker has no resource ${unserved}.`
        : `Pacemaker's resource ${unserved} is not seen to be served by one node.`,
    );
  const fit = snapshot.nodes.filter((node) => snapshot.workloads.every((workload) => isFit(snapshot, workload, node)));
  if (fit.length === 0) return none(`No other node could serve ${snapshot.workloads.join(', ')}: ${whyNone(snapshot)}.`);
  return fit.map(({ node }) => ({
    supports: 'application' as const,
    detail: `Pacemaker's controller ${seen.crm.dc} sees a quorum, and serves ${snapshot.workloads
      .map((workload) => `${workload} on ${activeOf(snapshot, workload)?.node}`)
      .join(', ')}; ${node} is an online member that may serve it.`,
  }));
}

function whyNone(snapshot: PacemakerSnapshot): string {
  const [workload = ''] = snapshot.workloads;
  const others = snapshot.nodes.filter((node) => node !== activeOf(snapshot, workload));
  return others.map((node) => whyNotOffered(snapshot, workload, node)).join('; ') || 'it is the only node';
}
