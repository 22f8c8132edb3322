import { compareVersions } from '@understudy/cluster';
import type { RolloutClosed } from '@understudy/orchestrator-domain';
import { NEW_VERSION } from './fleet.js';
import type { Judge } from './judge.js';
import type { RolloutRecord } from './record.js';

/** How a rollout ends: nothing left behind silently, and no success that is none. */

/** Whatever happened so long ago, in milliseconds, the last look has seen. */
const SETTLED_MS = 90_000;

export function judgeClose(judge: Judge, kept: RolloutRecord, data: RolloutClosed, rolloutId: string): void {
  judge.window.note(`closed: ${data.result}`);
  const says = data.result === 'needs-attention';
  if (says && data.remains.length === 0) judge.breach('8', 'It needs attention, and does not say what remains.');
  for (const node of kept.out) {
    const isNamed = data.remains.some((each) => each.what.includes(node));
    if (!isNamed || !says) judge.breach('8', `${node} is out, and the end (${data.result}) does not say so.`);
  }
  if (kept.probeAsked && !says) judge.breach('8', 'The probe runs on, and the end does not say so.');
  for (const [host, holder] of judge.claims)
    if (holder === rolloutId) judge.breach('8', `${host} is still held by ${rolloutId}, which has ended.`);
  if (data.interruption.measured && !wasMeasured(judge, kept))
    judge.breach('14', 'The interruption is said to be measured, and was not.');
  if (data.result === 'succeeded') success(judge, kept);
  if (!says) leftInWorld(judge, kept);
}

function wasMeasured(judge: Judge, kept: RolloutRecord): boolean {
  const job = judge.window.ground.boxes
    .get(kept.planned?.cluster.probeHost ?? '')
    ?.jobs.get(`probe-${kept.planned?.rolloutId ?? ''}`);
  return (
    kept.steps.some((each) => each.step.kind === 'stop-probe' && each.longestMs !== null) &&
    job !== undefined &&
    job.status !== 'lost'
  );
}

function success(judge: Judge, kept: RolloutRecord): void {
  const undone = kept.steps.filter((each) => each.status !== 'succeeded' && !mayBeLeftOut(each));
  if (undone.length > 0) judge.breach('9', `Succeeded, and ${undone.map((each) => each.step.stepId).join(', ')} did not.`);
  for (const node of kept.patched) if (!kept.validated.has(node)) judge.breach('9', `Succeeded, and ${node} was not validated.`);
  const site = judge.siteOf(kept);
  if (site === null || judge.window.scheduler.nowMs - site.disturbedMs < SETTLED_MS) return;
  const behind = Object.values(site.world.nodes).filter(
    (node) => node.runningVersion === null || compareVersions(node.runningVersion, NEW_VERSION) < 0,
  );
  if (behind.length > 0)
    judge.breach('9', `Succeeded, and ${behind.map((node) => node.node).join(', ')} does not run ${NEW_VERSION}.`);
}

function mayBeLeftOut({ step, status }: RolloutRecord['steps'][number]): boolean {
  return status === 'skipped' && (step.kind === 'reboot' || step.phase === 'switchover-test');
}

/** By our own marks in the world, whatever the log thinks of them. */
function leftInWorld(judge: Judge, kept: RolloutRecord): void {
  const site = judge.siteOf(kept);
  if (site === null || judge.window.scheduler.nowMs - site.disturbedMs < SETTLED_MS) return;
  for (const { node, disk } of Object.values(site.world.nodes)) {
    if (disk.drained && judge.drained.has(`${site.slug}/${node}`))
      judge.breach('8', `${node} is drained, and the rollout has ended without a word.`);
    if (disk.relaxed !== null) judge.breach('8', `Commits on ${node} are relaxed, and the rollout has ended without a word.`);
  }
}
