import { privileged } from '@understudy/hosts';
import { readCib, readCrmMon, readQuorum, readSimulation, sections } from './readings.js';
import { sessionNode, type Session, type SessionNode } from './session.js';
import type { PacemakerNode, PacemakerSnapshot, Trial, TrialQuestion, View } from './snapshot.js';
import { observeStack } from './unit.js';

const MOST_OUTPUT_BYTES = 4 * 1024 * 1024;
const TRIAL_LIMIT_MS = 8_000;

/**
 * One look at the whole cluster: each host, and the cluster as it is seen from each, all side by side within one deadline. Never throws for
 * what the cluster does.
 */
export async function observePacemaker(session: Session, deadlineMs: number): Promise<PacemakerSnapshot> {
  const { definition, now } = session.target;
  const observedAt = new Date(now()).toISOString();
  const nodes = await Promise.all(session.nodes.map((node) => observeNode(node, deadlineMs)));
  const { mayMove, isFencingOff } = session.cluster;
  return { cluster: definition.slug, workloads: definition.workloads, mayMove, isFencingOff, observedAt, nodes };
}

async function observeNode({ node, member, host, notPromotable }: SessionNode, deadlineMs: number): Promise<PacemakerNode> {
  const [stack, view] = await Promise.all([observeStack(host, deadlineMs), observeView(host, deadlineMs)]);
  return {
    ...{ node, member, host: host.definition.slug, stack, view },
    ...(notPromotable === undefined ? {} : { notPromotable }),
  };
}

async function observeView(host: SessionNode['host'], deadlineMs: number): Promise<View> {
  const look = await host.access.run({ argv: privileged('pacemaker-look'), deadlineMs, maxOutputBytes: MOST_OUTPUT_BYTES });
  if (look.status === 'unknown') return { says: 'nothing', reason: look.reason };
  if (look.code !== 0)
    return { says: 'nothing', reason: look.stderr.trim().slice(0, 300) || `the helper ended with ${look.code}` };
  return readView(look.stdout);
}

/** Pure: what the helper printed. */
export function readView(output: string): View {
  const parts = sections(output);
  const [crm, cib] = [readCrmMon(parts['crm_mon']?.body ?? ''), readCib(parts['cib']?.body ?? '')];
  if (crm === undefined) return { says: 'nothing', reason: `crm_mon ended with ${parts['crm_mon']?.words ?? 'nothing'}` };
  if (cib === undefined) return { says: 'nothing', reason: `cibadmin ended with ${parts['cib']?.words ?? 'nothing'}` };
  const replaced = ['pacemaker', 'corosync'].filter((unit) => parts[`program-${unit}`]?.words.endsWith('(deleted)') === true);
  return { says: 'answers', crm, cib, quorum: readQuorum(parts['quorum']?.body ?? ''), replaced };
}

/** Asks Pacemaker's scheduler, on a copy, what would come of a change. Never throws. */
export async function foretell(session: Session, question: TrialQuestion, deadlineMs: number): Promise<Trial> {
  const { change, node, resource } = question;
  const { host, member } = sessionNode(session, node);
  const argv = privileged('pacemaker-trial', change, resource, ...(change === 'move' ? [member] : []));
  const told = await host.access.run({
    argv,
    deadlineMs: Math.min(deadlineMs, TRIAL_LIMIT_MS),
    maxOutputBytes: MOST_OUTPUT_BYTES,
  });
  if (told.status === 'unknown') return { says: 'nothing', reason: told.reason };
  if (told.code !== 0)
    return { says: 'nothing', reason: told.stderr.trim().slice(0, 300) || `the helper ended with ${told.code}` };
  const parts = sections(told.stdout);
  const [after, back] = [parts['after'], parts['back']].map((part) => readSimulation(part?.body ?? ''));
  if (after === undefined) return { says: 'nothing', reason: 'what crm_simulate printed cannot be read' };
  return { says: 'answers', after, back: back ?? null };
}
