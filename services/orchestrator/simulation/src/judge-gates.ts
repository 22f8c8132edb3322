import { compareVersions } from '@understudy/cluster';
import type { GateInputs, PlannedStep, RolloutPlanned, StepRequested } from '@understudy/orchestrator-domain';
import { attachedTo, nodeOf, takesWrites, type World } from '@understudy/simulated-cluster';
import { DURATIONS_MS, ITEM, NEW_VERSION } from './fleet.js';
import type { Judge } from './judge.js';
import type { RolloutRecord } from './record.js';

/** Plans, admissions and evidence. */

const EVERYWHERE = ['ha-layer', 'topology', 'drift', 'switchover-test', 'probe', 'window'];
const AGEING = ['drift', 'switchover-test'];
const WITH_PEOPLE = ['change-ticket', 'approval'];

/** What it takes, in milliseconds, to undo these steps: our own count, whatever the plan says of it. */
export function comeBackMs(begun: readonly PlannedStep[]): number {
  const { drain, reboot, join, validate, release, unpatch, switchover } = DURATIONS_MS;
  const nodes = new Set(begun.filter((step) => step.kind === 'drain').map((step) => step.node)).size;
  const items = begun.filter((step) => step.kind === 'patch').length;
  const moved = begun.some((step) => step.kind === 'switchover');
  return nodes * (drain + reboot + join + validate + release) + items * unpatch + (moved ? switchover + validate : 0);
}

function isOpen(kept: RolloutRecord, gate: string, atMs: number): boolean {
  const seen = kept.gates.get(gate);
  return seen !== undefined && seen.open && (seen.untilMs === null || seen.untilMs > atMs);
}

export function judgeAdmission(
  judge: Judge,
  kept: RolloutRecord,
  data: { readonly hosts: readonly string[]; readonly at: string },
  rolloutId: string,
): void {
  const atMs = Date.parse(data.at);
  const required = kept.planned?.cluster.environment === 'production' ? [...EVERYWHERE, ...WITH_PEOPLE] : EVERYWHERE;
  const shut = required.filter((gate) => !isOpen(kept, gate, atMs));
  judge.when(shut.length > 0, '10', () => `Admitted, and not open: ${shut.join(', ')}.`);
  judge.when(kept.admittedHosts !== null, '5', () => `${rolloutId} is admitted twice.`);
  for (const host of data.hosts) {
    judge.when(judge.claims.get(host) !== rolloutId, '5', () => `${rolloutId} is admitted without the claim on ${host}.`);
  }
  for (const [other, record] of judge.records) {
    const shared =
      other === rolloutId || record.closed !== null
        ? []
        : (record.admittedHosts ?? []).filter((host) => data.hosts.includes(host));
    judge.when(shared.length > 0, '5', () => `${rolloutId} and ${other} share ${shared.join(', ')}.`);
  }
  const complaint = kept.inputs === null ? 'nothing was looked at' : unfit(kept, kept.inputs);
  judge.when(complaint !== null, '10', () => `Admitted, and ${complaint}.`);
  const neededMs = kept.forwardMs + comeBackMs(kept.steps.map((each) => each.step));
  judge.when(
    atMs + neededMs > Date.parse(kept.planned?.closesAt ?? ''),
    'budget',
    () => `Admitted with too little time for ${neededMs} ms.`,
  );
}

/** What speaks against an admission in what was looked at for it. */
function unfit(kept: RolloutRecord, inputs: GateInputs): string | null {
  const { snapshot, haLayer, drift } = inputs;
  if (snapshot === null || !snapshot.complete) return 'the look was not complete';
  if (snapshot.nodes.filter((node) => node.writable === true).length !== 1) return 'not one node takes writes';
  if (haLayer === null || !haLayer.rolling) return 'its HA layer is not known to roll';
  if (drift === null || drift.blocking.length > 0 || drift.incomplete.length > 0) return 'drift was not told to be clear';
  return unfitAround(kept, inputs);
}

function unfitAround(kept: RolloutRecord, inputs: GateInputs): string | null {
  const { neighbours, claimed } = inputs;
  if (Object.keys(claimed).length > 0) return 'somebody else holds a host';
  if (neighbours.some((each) => each.serving || each.lastFitStandby)) return 'a host also carries what another cluster needs';
  if (inputs.topologyFingerprint !== kept.fingerprint) return 'its topology is not the planned one';
  if (kept.planned?.cluster.environment === 'production' && kept.approvedBy === null) return 'nobody has approved it';
  return null;
}

/** The evidence that ages is looked at again before each irreversible step. */
export function judgeGates(judge: Judge, kept: RolloutRecord, data: StepRequested): void {
  const required = kept.planned?.cluster.environment === 'production' ? [...AGEING, ...WITH_PEOPLE] : AGEING;
  const lapsed = required.filter((gate) => !isOpen(kept, gate, Date.parse(data.at)));
  judge.when(lapsed.length > 0, '10', () => `${data.stepId} is asked for, and the evidence has lapsed of: ${lapsed.join(', ')}.`);
  const without = (kept.gates.get('drift')?.without ?? []).filter((node) => isBack(kept, node));
  judge.when(without.length > 0, '10', () => `${data.stepId} is asked for on a comparison without ${without.join(', ')}.`);
}

/** Joined again after its last drain. */
function isBack(kept: RolloutRecord, node: string): boolean {
  const moved = kept.steps.filter(({ step, status }) => step.node === node && status === 'succeeded');
  return moved.findLast(({ step }) => step.kind === 'drain' || step.kind === 'join')?.step.kind === 'join';
}

/** Standbys first, the worst candidate before the better ones, and everybody who is behind is in it. */
export function judgePlan(judge: Judge, planned: RolloutPlanned): void {
  const { plan } = planned;
  if (plan === null) return;
  const { world } = judge.window.ground.site(planned.cluster.slug);
  const active = Object.values(world.nodes).find(takesWrites)?.node;
  judge.when(plan.originalActive !== active, '4', () => `The plan takes ${plan.originalActive} for the active node.`);
  const standbys = plan.order.map((place) => place.node).filter((node) => node !== active);
  const ranks = standbys.map((node) => rankOf(world, planned, node, active ?? ''));
  const isTestOneWay = planned.playbook.phases.switchoverTest.enabled && !planned.playbook.phases.switchoverTest.andBack;
  judge.when(
    !isTestOneWay && ranks.some((rank, index) => index > 0 && rank < (ranks[index - 1] ?? 0)),
    'order',
    () => `A better candidate comes before a worse one: ${standbys.join(', ')}.`,
  );
  const best = Math.max(...ranks);
  judge.when(
    rankOf(world, planned, plan.switchoverTarget, active ?? '') < best,
    '3',
    () => `${plan.switchoverTarget} is not the best candidate.`,
  );
  minimum(judge, planned, world);
}

/** A candidate is better the less it lags; one that may not serve is worse than any that may. */
function rankOf(world: World, planned: RolloutPlanned, name: string, active: string): number {
  const node = nodeOf(world, name);
  const mayServe = planned.cluster.nodes.find((each) => each.slug === name)?.notPromotable === undefined;
  const attached = attachedTo(world, active).some((each) => each.node === name);
  const lag = nodeOf(world, active).log.position - node.log.position;
  return (mayServe && attached ? 0 : -1e15) - lag;
}

/** A built-in minimum of checks cannot be dropped. */
function minimum(judge: Judge, planned: RolloutPlanned, world: World): void {
  const steps = planned.plan?.steps ?? [];
  for (const { node, disk } of Object.values(world.nodes)) {
    const behind = compareVersions(disk.installedVersion, NEW_VERSION) < 0;
    const place = (kind: string): number =>
      steps.findIndex((step) => step.kind === kind && step.node === node && step.phase !== 'switchover-test');
    const patched = place('patch');
    judge.when(behind && patched < 0, '9', () => `The plan does not bring ${ITEM} of ${node} to ${NEW_VERSION}.`);
    if (patched < 0) continue;
    const order = ['drain', 'patch', 'reboot', 'join'].map(place);
    const validated = steps.findLastIndex((step) => step.kind === 'validate' && step.node === node);
    const released = steps.findLastIndex((step) => step.kind === 'release' && step.node === node);
    const all = [...order, validated > patched ? validated : -1, released];
    judge.when(all.includes(-1), '9', () => `The plan leaves out a step of ${node}.`);
  }
  for (const [index, { kind, node, stepId }] of steps.entries()) {
    const after = steps[index + 1];
    const isChecked = after?.kind === 'validate' && after.node === node && after.asActive === true;
    judge.when(kind === 'switchover' && !isChecked, '9', () => `The plan does not validate what ${stepId} brings about.`);
  }
}
