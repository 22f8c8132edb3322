import { writableNodes, type ClusterSnapshot, type LogEnd, type NodeSnapshot } from '@understudy/cluster';
import type { Evidence } from './observation.js';
import type { RolloutEvent, RolloutState } from './rollout.js';
import { changedState } from './state.js';

/**
 * What bringing up another node would lose where the one that served is gone. Nothing here promotes anybody: a failover
 * that may lose writes is proposed to a person, with the loss as it was measured, and done by nobody else.
 */

/** How far the node that served had written when it was last seen to serve. */
export interface Written extends LogEnd {
  readonly node: string;
  /** RFC 3339: when that look began. */
  readonly at: string;
}

export interface FailoverProposal {
  readonly node: string;
  /** Bytes of what was seen to be written that this node has not got; null = could not be measured. */
  readonly lostBytes: number | null;
  /** For a person. */
  readonly detail: string;
}

/** Kept as evidence with every request and outcome that has a look: the only writer's position. */
export function writtenIn(snapshot: ClusterSnapshot): { readonly written?: Written } {
  const [writer, second] = writableNodes(snapshot);
  if (writer?.logEnd === undefined || second !== undefined) return {};
  return { written: { node: writer.node, ...writer.logEnd, at: snapshot.observedAt } };
}

/** Folds what one more fact shows of how far the serving node has written. */
export function withWritten(state: RolloutState, event: RolloutEvent): RolloutState {
  switch (event.type) {
    case 'StepRequested':
    case 'StepSucceeded':
    case 'StepFailed':
    case 'StepUnknown': {
      const written = event.data.evidence['written'];
      return written === undefined ? state : changedState(state, { written: written as Written });
    }
    default:
      return state;
  }
}

/** Every node that a person could bring up instead, the one that loses least first; measured on this look. */
export function failoverProposals(state: RolloutState, snapshot: ClusterSnapshot): readonly FailoverProposal[] {
  const gone = state.serving ?? state.written?.node;
  const { workload } = state.planned ?? { workload: '' };
  const written = endOfGone(state, snapshot);
  return snapshot.nodes
    .filter((node) => node.node !== gone && node.roles[workload] !== 'witness' && node.promotion.promotable)
    .map((node) => proposal(node, written))
    .sort((left, right) => (left.lostBytes ?? Infinity) - (right.lostBytes ?? Infinity) || (left.node < right.node ? -1 : 1));
}

/** The same in one paragraph; where a node that served is seen to be gone. */
export function lossWords(state: RolloutState, snapshot: ClusterSnapshot): string {
  const proposals = failoverProposals(state, snapshot).map((each) => each.detail);
  if (proposals.length === 0) return 'There is no other node that could serve.';
  return `Nobody is promoted by this rollout; that is for a person to decide. ${proposals.join(' ')}`;
}

export function lossEvidence(state: RolloutState, snapshot: ClusterSnapshot): Evidence {
  return {
    written: endOfGone(state, snapshot),
    failover: failoverProposals(state, snapshot).map(({ node, lostBytes }) => ({ node, lostBytes })),
  };
}

/** What was seen while it served, or what lies on its disk now, whichever goes further. */
function endOfGone(state: RolloutState, snapshot: ClusterSnapshot): Written | null {
  const { written, serving } = state;
  if (written === null || (serving !== null && written.node !== serving)) return null;
  const now = snapshot.nodes.find((node) => node.node === written.node)?.logEnd;
  if (now?.timeline !== written.timeline || now.bytes <= written.bytes) return written;
  return { ...written, bytes: now.bytes, at: snapshot.observedAt };
}

/** Of a node that does not run the disk alone tells, and that of its last checkpoint: it may have more, and never less. */
function proposal({ node, logEnd, availability }: NodeSnapshot, written: Written | null): FailoverProposal {
  if (written === null || logEnd?.timeline !== written.timeline) {
    const why =
      written === null
        ? 'no look shows how far the node that served had written'
        : 'its log does not end on the same timeline, or nobody can tell';
    return { node, lostBytes: null, detail: `What ${node} would lose could not be measured: ${why}.` };
  }
  const lostBytes = Math.max(0, written.bytes - logEnd.bytes);
  const seen = `what ${written.node} was seen to have written by ${written.at}; anything later is not counted`;
  const does = lostBytes === 0 ? `${node} has all of ${seen}` : `${node} would lose ${lostBytes} bytes of ${seen}`;
  const more = availability === 'serving' ? '' : ` (${node} does not run, and may have more than can be seen)`;
  return { node, lostBytes, detail: `${does}${more}.` };
}
