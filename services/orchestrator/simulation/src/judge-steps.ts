import { compareVersions } from '@understudy/cluster';
import type { StepRequested } from '@understudy/orchestrator-domain';
import { attachedTo, nodeOf, takesWrites, writableNodes } from '@understudy/simulated-cluster';
import { ITEM, NEW_VERSION } from './fleet.js';
import type { Site } from './ground.js';
import type { Judge } from './judge.js';
import { isDisturbed } from './judge-world.js';
import type { RolloutRecord, StepRecord } from './record.js';

/** Requests and outcomes of steps, with what is really so. */

const LAG_CEILING_BYTES = 16 * 1024 * 1024;
/** Whatever happened so long ago, in milliseconds, has been seen by a look that is fresh. */
const SETTLED_MS = 20_000;

/** Nothing but our own acts changed this cluster for a while. */
function isSettled(judge: Judge, site: Site): boolean {
  return judge.window.scheduler.nowMs - site.disturbedMs > SETTLED_MS;
}

export function judgeHostStep(judge: Judge, kept: RolloutRecord, { step }: StepRecord, data: StepRequested): void {
  const node = step.node ?? '';
  const site = judge.siteOf(kept);
  if (site === null) return;
  const others = [...kept.out].filter((each) => each !== node);
  if (others.length > 0) judge.breach('2', `${data.stepId} is asked for, and ${others.join(', ')} is out.`);
  if (step.kind !== 'drain' && !kept.out.has(node))
    judge.breach('2', `${data.stepId} is asked for, and ${node} was not drained.`);
  if (node === kept.original && step.phase !== 'recovery' && !kept.moved)
    judge.breach('4', `${data.stepId} is asked for before the workload was validated on a patched standby.`);
  if (!isSettled(judge, site)) return;
  if (takesWrites(nodeOf(site.world, node))) judge.breach('1', `${data.stepId} is asked for, and ${node} serves.`);
  if (step.kind === 'drain') keepsStandby(judge, kept, site, node, data);
}

function keepsStandby(judge: Judge, kept: RolloutRecord, site: Site, node: string, data: StepRequested): void {
  const active = Object.values(site.world.nodes).find(takesWrites);
  const members = kept.planned?.cluster.nodes ?? [];
  if (active === undefined || members.length <= 2) return;
  const fit = attachedTo(site.world, active.node).filter(
    (each) =>
      each.node !== node &&
      !each.disk.drained &&
      members.find((member) => member.slug === each.node)?.notPromotable === undefined &&
      active.log.position - each.log.position <= LAG_CEILING_BYTES,
  );
  if (fit.length === 0) judge.breach('2', `${data.stepId} is asked for, and no other standby is fit to serve.`);
}

export function judgeSwitchover(judge: Judge, kept: RolloutRecord, { step }: StepRecord, data: StepRequested): void {
  const target = step.node ?? '';
  const site = judge.siteOf(kept);
  if (site === null) return;
  if (kept.out.has(target)) judge.breach('3', `${data.stepId} is asked for, and ${target} is out.`);
  const touched = kept.steps.some(
    (each) => (each.step.kind === 'patch' || each.step.kind === 'unpatch') && each.step.node === target && each.attempt > 0,
  );
  if (touched && !kept.validated.has(target)) judge.breach('3', `${data.stepId} is asked for, and ${target} was not validated.`);
  const active = Object.values(site.world.nodes).find(takesWrites);
  if (!isSettled(judge, site) || active === undefined || active.node === target) return;
  const node = nodeOf(site.world, target);
  const follows = attachedTo(site.world, active.node).includes(node);
  if (!follows || node.disk.drained) judge.breach('3', `${data.stepId} is asked for, and ${target} is no healthy standby.`);
  if (active.log.position - node.log.position > LAG_CEILING_BYTES)
    judge.breach('3', `${data.stepId} is asked for, and ${target} lags.`);
}

interface Outcome {
  readonly stepId: string;
  readonly attempt: number;
  readonly at: string;
}

export function judgeOutcome(
  judge: Judge,
  kept: RolloutRecord,
  data: Outcome,
  outcome: 'succeeded' | 'failed' | 'unknown',
): void {
  const found = kept.step(data.stepId);
  if (found === undefined || found.requested === null) {
    judge.breach('6', `${data.stepId} has an outcome and was never asked for.`);
    return;
  }
  judge.window.note(`${found.step.kind} ${outcome}`);
  if (data.attempt > 1 && outcome === 'succeeded') judge.window.note('a later attempt succeeded');
  if (found.status !== 'requested' && found.status !== 'unknown')
    judge.breach('6', `${data.stepId} is said to have ${outcome}, and it is ${found.status}.`);
  if (found.attempt !== data.attempt) judge.breach('6', `An outcome of attempt ${data.attempt} of ${data.stepId} counts.`);
  const atMs = Date.parse(data.at);
  if (found.status === 'requested' && atMs > Date.parse(found.requested.deadlineAt) && !found.missedDeadline)
    judge.breach('7', `${data.stepId} missed its deadline, and the log does not say so.`);
  if (found.missedDeadline) judge.window.note('a deadline was missed');
  if (outcome === 'succeeded') succeeded(judge, kept, found, atMs);
}

function succeeded(judge: Judge, kept: RolloutRecord, found: StepRecord, atMs: number): void {
  const { step, requested } = found;
  const site = judge.siteOf(kept);
  if (requested === null || site === null) return;
  if (
    requested.ask.ask === 'waitUntil' &&
    step.kind === 'soak' &&
    atMs < Date.parse(requested.at) + (kept.planned?.playbook.phases.soakMs ?? 0)
  )
    judge.breach('9', `${step.stepId} was over before its time.`);
  if (step.node === undefined || isDisturbed(site, found) || !isSettled(judge, site)) return;
  const untrue = whatIsNotSo(judge, kept, found, site, step.node);
  if (untrue !== null) judge.breach('9', `${step.stepId} is said to have succeeded, and ${untrue}.`);
}

/** Null: it is as the outcome says. Judged where nobody else had a hand in it. */
function whatIsNotSo(judge: Judge, kept: RolloutRecord, found: StepRecord, site: Site, name: string): string | null {
  const { world } = site;
  const node = nodeOf(world, name);
  const writers = writableNodes(world);
  const attached = writers.length === 1 && attachedTo(world, writers[0] as string).includes(node);
  switch (found.step.kind) {
    case 'drain':
      return node.disk.drained && node.service.state === 'stopped' ? null : 'it is not out of service';
    case 'join':
      return attached ? null : 'it does not replicate';
    case 'release':
      return !node.disk.drained && node.disk.autostart ? null : 'it is drained';
    case 'switchover':
      return writers.length === 1 && writers[0] === name ? null : `${writers.join(', ')} takes writes`;
    case 'patch':
      return compareVersions(node.disk.installedVersion, NEW_VERSION) >= 0
        ? null
        : `${ITEM} ${node.disk.installedVersion} is installed`;
    case 'validate':
      return whatIsNotValid(kept, found, site, name);
    case 'reboot':
      return (judge.reboots.get(`${kept.planned?.rolloutId}/${found.step.stepId}`)?.boots ?? -1) <
        (world.hosts[node.host]?.boots ?? 0)
        ? null
        : 'the host has not booted';
    default:
      return null;
  }
}

function whatIsNotValid(kept: RolloutRecord, found: StepRecord, site: Site, name: string): string | null {
  const node = nodeOf(site.world, name);
  if (node.service.state !== 'running') return 'it does not run';
  if (found.step.asActive === true && !takesWrites(node)) return 'it does not take writes';
  if (kept.patched.has(name) && compareVersions(node.runningVersion ?? '0', NEW_VERSION) < 0)
    return `it runs ${node.runningVersion ?? 'nothing'}`;
  return null;
}
