import { compareVersions } from '@understudy/cluster';
import type { StepRequested } from '@understudy/orchestrator-domain';
import { attachedTo, nodeOf, takesWrites, writableNodes, type SimulatedNode, type World } from '@understudy/simulated-cluster';
import { ITEM, NEW_VERSION } from './fleet.js';
import type { Site } from './ground.js';
import type { Judge } from './judge.js';
import { judgeShownAfter } from './judge-looks.js';
import { isDisturbed } from './judge-world.js';
import type { RolloutRecord, StepRecord } from './record.js';

/** Requests and outcomes of steps, with what is really so. */

const LAG_CEILING_BYTES = 16 * 1024 * 1024;
/** Whatever happened so long ago, in milliseconds, has been seen by a look that is fresh. */
const SETTLED_MS = 20_000;

/** Nothing but our own acts changed this cluster for a while, also before the time of a decision that was appended late. */
export function isSettled(judge: Judge, site: Site, decidedAt?: string): boolean {
  const { nowMs } = judge.window.scheduler;
  return Math.min(nowMs, decidedAt === undefined ? nowMs : Date.parse(decidedAt)) - site.disturbedMs > SETTLED_MS;
}

export function judgeHostStep(judge: Judge, kept: RolloutRecord, { step }: StepRecord, data: StepRequested): void {
  const node = step.node ?? '';
  const site = judge.siteOf(kept);
  if (site === null) return;
  const others = [...kept.out].filter((each) => each !== node);
  judge.when(others.length > 0, '2', () => `${data.stepId} is asked for, and ${others.join(', ')} is out.`);
  judge.when(
    step.kind !== 'drain' && !kept.out.has(node),
    '2',
    () => `${data.stepId} is asked for, and ${node} was not drained.`,
  );
  judge.when(
    node === kept.original && step.phase !== 'recovery' && !kept.moved,
    '4',
    () => `${data.stepId} is asked for before the workload was validated on a patched standby.`,
  );
  if (!isSettled(judge, site, data.at)) return;
  judge.when(takesWrites(nodeOf(site.world, node)), '1', () => `${data.stepId} is asked for, and ${node} serves.`);
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
  judge.when(fit.length === 0, '2', () => `${data.stepId} is asked for, and no other standby is fit to serve.`);
}

export function judgeSwitchover(judge: Judge, kept: RolloutRecord, { step }: StepRecord, data: StepRequested): void {
  const target = step.node ?? '';
  const site = judge.siteOf(kept);
  if (site === null) return;
  judge.when(kept.out.has(target), '3', () => `${data.stepId} is asked for, and ${target} is out.`);
  const touched = kept.steps.some(
    (each) => (each.step.kind === 'patch' || each.step.kind === 'unpatch') && each.step.node === target && each.attempt > 0,
  );
  judge.when(touched && !kept.validated.has(target), '3', () => `${data.stepId} is asked for, and ${target} was not validated.`);
  const active = Object.values(site.world.nodes).find(takesWrites);
  if (!isSettled(judge, site, data.at) || active === undefined || active.node === target) return;
  const node = nodeOf(site.world, target);
  const follows = attachedTo(site.world, active.node).includes(node);
  judge.when(!follows || node.disk.drained, '3', () => `${data.stepId} is asked for, and ${target} is no healthy standby.`);
  judge.when(
    active.log.position - node.log.position > LAG_CEILING_BYTES,
    '3',
    () => `${data.stepId} is asked for, and ${target} lags.`,
  );
}

interface Outcome {
  readonly stepId: string;
  readonly evidence: Readonly<Record<string, unknown>>;
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
  judge.when(
    found.status !== 'requested' && found.status !== 'unknown',
    '6',
    () => `${data.stepId} is said to have ${outcome}, and it is ${found.status}.`,
  );
  judge.when(found.attempt !== data.attempt, '6', () => `An outcome of attempt ${data.attempt} of ${data.stepId} counts.`);
  const atMs = Date.parse(data.at);
  judge.when(
    found.status === 'requested' && atMs > Date.parse(found.requested.deadlineAt) && !found.missedDeadline,
    '7',
    () => `${data.stepId} missed its deadline, and the log does not say so.`,
  );
  if (found.missedDeadline) judge.window.note('a deadline was missed');
  if (outcome !== 'succeeded') return;
  checked(judge, data);
  succeeded(judge, kept, found, data);
}

/** What could not be evaluated is no success. */
function checked(judge: Judge, { stepId, attempt, evidence }: Outcome): void {
  if (attempt > 1) judge.window.note('a later attempt succeeded');
  const checks = Array.isArray(evidence['checks']) ? (evidence['checks'] as readonly { readonly passed: boolean | null }[]) : [];
  judge.when(
    checks.some(({ passed }) => passed !== true),
    '9',
    () => `${stepId} succeeded, and not all of its checks passed.`,
  );
}

function succeeded(judge: Judge, kept: RolloutRecord, found: StepRecord, { at, evidence }: Outcome): void {
  const { step, requested } = found;
  const site = judge.siteOf(kept);
  if (requested === null || site === null) return;
  judge.when(
    requested.ask.ask === 'waitUntil' &&
      step.kind === 'soak' &&
      // By the look: the clock may have been put back since.
      Date.parse(String(evidence['at'])) < Date.parse(requested.at) + (kept.planned?.playbook.phases.soakMs ?? 0),
    '9',
    () => `${step.stepId} was over before its time.`,
  );
  judgeShownAfter(judge, kept, found);
  if (step.node === undefined || isDisturbed(site, found) || !isSettled(judge, site, at)) return;
  const untrue = whatIsNotSo(judge, kept, found, site, step.node);
  judge.when(untrue !== null, '9', () => `${step.stepId} is said to have succeeded, and ${untrue}.`);
}

/** What a step's success says of its node, and of those that take writes: by a foreign hand they may be two. Null: it is so. */
type Truth = (node: SimulatedNode, writers: readonly string[], world: World) => string | null;

function unless(isSo: boolean, otherwise: string): string | null {
  return isSo ? null : otherwise;
}

const TRUTHS: Readonly<Record<string, Truth>> = {
  drain: ({ disk, service }) => unless(disk.drained && service.state === 'stopped', 'it is not out of service'),
  join: (node, writers, world) =>
    unless(
      writers.some((writer) => writer === node.node || attachedTo(world, writer).includes(node)),
      'it does not replicate',
    ),
  release: ({ disk }) => unless(!disk.drained && disk.autostart, 'it is drained'),
  switchover: ({ node }, writers) =>
    unless(writers.length === 1 && writers[0] === node, `${writers.join(' and ') || 'nobody'} takes writes`),
  patch: ({ disk }) =>
    unless(compareVersions(disk.installedVersion, NEW_VERSION) >= 0, `${ITEM} ${disk.installedVersion} is installed`),
};

/** Null: it is as the outcome says. Judged where nobody else had a hand in it. */
function whatIsNotSo(judge: Judge, kept: RolloutRecord, found: StepRecord, site: Site, name: string): string | null {
  const { world } = site;
  const node = nodeOf(world, name);
  const writers = writableNodes(world);
  const { kind, stepId } = found.step;
  if (kind === 'validate') return whatIsNotValid(kept, found, site, name);
  if (kind === 'reboot') {
    const before = judge.reboots.get(`${kept.planned?.rolloutId}/${stepId}`)?.boots ?? -1;
    return unless(before < (world.hosts[node.host]?.boots ?? 0), 'the host has not booted');
  }
  return TRUTHS[kind]?.(node, writers, world) ?? null;
}

function whatIsNotValid(kept: RolloutRecord, found: StepRecord, site: Site, name: string): string | null {
  const node = nodeOf(site.world, name);
  if (node.service.state !== 'running') return 'it does not run';
  if (found.step.asActive === true && !takesWrites(node)) return 'it does not take writes';
  if (kept.patched.has(name) && compareVersions(node.runningVersion ?? '0', NEW_VERSION) < 0)
    return `it runs ${node.runningVersion ?? 'nothing'}`;
  return null;
}
