import { compareVersions } from '@understudy/cluster';
import { probeJobId, type RolloutClosed } from '@understudy/orchestrator-domain';
import { nodeOf } from '@understudy/simulated-cluster';
import { NEW_VERSION } from './fleet.js';
import type { Judge } from './judge.js';
import type { RolloutRecord } from './record.js';

/** How a rollout ends: nothing left behind silently, and no success that is none. */

/** Whatever happened so long ago, in milliseconds, the last look has seen. */
const SETTLED_MS = 90_000;

export function judgeClose(judge: Judge, kept: RolloutRecord, data: RolloutClosed, rolloutId: string): void {
  judge.window.note(`closed: ${data.result}`);
  const says = data.result === 'needs-attention';
  judge.when(says && data.remains.length === 0, '8', () => 'It needs attention, and does not say what remains.');
  for (const node of kept.out) {
    if (isBack(judge, kept, node)) continue;
    const isNamed = data.remains.some((each) => each.what.includes(node));
    judge.when(!isNamed || !says, '8', () => `${node} is out, and the end (${data.result}) does not say so.`);
  }
  judge.when(kept.probeAsked && !says, '8', () => 'The probe runs on, and the end does not say so.');
  for (const [host, holder] of judge.claims)
    judge.when(holder === rolloutId, '8', () => `${host} is still held by ${rolloutId}, which has ended.`);
  judge.when(
    data.interruption.measured && !wasMeasured(judge, kept),
    '14',
    () => 'The interruption is said to be measured, and was not.',
  );
  if (data.result === 'succeeded') success(judge, kept);
  if (!says) leftInWorld(judge, kept);
  wasTakenBack(judge, kept, data);
}

/** Somebody has put it back by hand, or had a hand in it too short a time ago to tell. */
function isBack(judge: Judge, kept: RolloutRecord, name: string): boolean {
  const site = judge.siteOf(kept);
  if (site === null || judge.window.scheduler.nowMs - site.disturbedMs < SETTLED_MS) return true;
  const { disk, service } = nodeOf(site.world, name);
  return !disk.drained && service.state === 'running';
}

function wasTakenBack(judge: Judge, kept: RolloutRecord, data: RolloutClosed): void {
  const wish = kept.rollbackAsked;
  const meant = wish === null || wish.all === true ? [...kept.patched] : wish.nodes;
  judge.when(
    data.result === 'rolled-back' && (meant.some((node) => kept.patched.has(node)) || !kept.steps.some(isTakenBack)),
    '9',
    () => 'It is said to be rolled back, and was not.',
  );
}

function isTakenBack({ step, status }: RolloutRecord['steps'][number]): boolean {
  return step.kind === 'unpatch' && status === 'succeeded';
}

function wasMeasured(judge: Judge, kept: RolloutRecord): boolean {
  const job = judge.window.ground.boxes
    .get(kept.planned?.cluster.probeHost ?? '')
    ?.jobs.get(probeJobId(kept.planned?.rolloutId ?? ''));
  return (
    kept.steps.some((each) => each.step.kind === 'stop-probe' && each.longestMs !== null) &&
    job !== undefined &&
    job.status !== 'lost'
  );
}

function success(judge: Judge, kept: RolloutRecord): void {
  const undone = kept.steps.filter((each) => each.status !== 'succeeded' && !mayBeLeftOut(each));
  judge.when(undone.length > 0, '9', () => `Succeeded, and ${undone.map((each) => each.step.stepId).join(', ')} did not.`);
  for (const node of kept.patched) judge.when(!kept.validated.has(node), '9', () => `Succeeded, and ${node} was not validated.`);
  const site = judge.siteOf(kept);
  if (site === null || judge.window.scheduler.nowMs - site.disturbedMs < SETTLED_MS) return;
  const behind = Object.values(site.world.nodes).filter(
    (node) => node.runningVersion === null || compareVersions(node.runningVersion, NEW_VERSION) < 0,
  );
  judge.when(
    behind.length > 0,
    '9',
    () => `Succeeded, and ${behind.map((node) => node.node).join(', ')} does not run ${NEW_VERSION}.`,
  );
}

function mayBeLeftOut({ step, status }: RolloutRecord['steps'][number]): boolean {
  return status === 'skipped' && (step.kind === 'reboot' || step.phase === 'switchover-test');
}

/** By our own marks in the world, whatever the log thinks of them. */
function leftInWorld(judge: Judge, kept: RolloutRecord): void {
  const site = judge.siteOf(kept);
  if (site === null || judge.window.scheduler.nowMs - site.disturbedMs < SETTLED_MS) return;
  for (const { node, disk } of Object.values(site.world.nodes)) {
    judge.when(
      disk.drained && judge.drained.has(`${site.slug}/${node}`),
      '8',
      () => `${node} is drained, and the rollout has ended without a word.`,
    );
    judge.when(disk.relaxed !== null, '8', () => `Commits on ${node} are relaxed, and the rollout has ended without a word.`);
  }
}
