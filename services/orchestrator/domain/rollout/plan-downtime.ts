import { activeNodes, nodeNamed, type NodeSnapshot } from '@understudy/cluster';
import { totalMs, wayBackMsFrom } from './budget.js';
import { draft, numbered, soak, type StepDraft } from './drafts.js';
import type { Place } from './order.js';
import { outageNeedMs } from './outage.js';
import type { Plan } from './plan.js';
import type { PlanInput, Planning } from './plan-steps.js';
import { behind, pointOfNoReturn, versionObstacle } from './versions.js';

/**
 * What cannot roll is patched within an approved outage: node by node, standbys drained as ever, so that the active goes on
 * to accept writes; the one that serves last, stopped, patched, rebooted if needed, started and validated where it stands.
 * Nothing moves, so there is no switchover and no failback.
 */
export function planDowntime(input: PlanInput): Planning {
  const { snapshot, workload } = input;
  const actives = activeNodes(snapshot, workload);
  const [active] = actives;
  if (!snapshot.complete) return no(`The look at ${snapshot.cluster} was not complete: ${snapshot.disagreements.join(' ')}`);
  if (active === undefined || actives.length > 1)
    return no(`Not exactly one node of ${snapshot.cluster} serves ${workload}: it must be mended first.`);
  const stray = snapshot.nodes.find((node) => node !== active && !node.joined);
  if (stray !== undefined)
    return no(`${stray.node} is no member of the cluster (${stray.native}): mend it, or take it out of the registered cluster.`);
  const obstacle = versionObstacle(snapshot, input.patchSet, pairsOf(input));
  if (obstacle !== null) return no(obstacle);
  const plan = assemble(input, active);
  const neededMs = outageNeedMs(plan.steps, active.node, input.playbook);
  const budgetMs = input.outageBudgetMs ?? 0;
  if (neededMs > budgetMs) {
    return no(
      `${workload} would be away for about ${neededMs} ms, the outage budget is ${budgetMs} ms. Schedule the window with a longer one.`,
    );
  }
  return { plan };
}

function no(noPlanBecause: string): Planning {
  return { noPlanBecause, offerDowntime: true };
}

/** Alone, a node never runs beside another version: only nodes that replicate have to bear the pair. */
function pairsOf(input: PlanInput): PlanInput['versionPairs'] {
  if (input.snapshot.nodes.length > 1) return input.versionPairs;
  return Object.fromEntries(Object.entries(input.versionPairs).map(([item, pair]) => [item, { ...pair, allowed: true }]));
}

function assemble(input: PlanInput, active: NodeSnapshot): Plan {
  const { playbook, workload } = input;
  const places = placesOf(input, active);
  const drafts = [
    draft('start-probe', 'admit'),
    draft('preflight', 'preflight'),
    ...places.flatMap((place) => nodeSteps(input, place.node, place.node === active.node)),
    ...playbook.checks.map((check) => draft('check', 'downtime', active.node, { check: check.name })),
    ...soak(playbook, active.node, 'downtime'),
    draft('postflight', 'postflight'),
    draft('stop-probe', 'postflight'),
  ];
  const steps = numbered(drafts, workload, playbook);
  // Once the node that serves writes with the new version, the way back is what the platform says of the pair.
  const started = steps.find((step) => step.kind === 'start' && step.node === active.node);
  const point = pointOfNoReturn(started, input.versionPairs, input.patchSet);
  return {
    steps,
    order: places,
    originalActive: active.node,
    switchoverTarget: active.node,
    ...(point === undefined ? {} : { pointOfNoReturn: point }),
    versionPairs: input.versionPairs,
    forwardMs: totalMs(steps, playbook),
    wayBackMs: wayBackMsFrom(steps, steps.length, playbook),
    noRollback: input.noRollback,
    writeSafety: 'No node is promoted: the one that serves is stopped, patched and started again where it stands.',
    hash: input.digest(JSON.stringify(steps)),
  };
}

/** Who does not serve comes first: its patch costs nobody anything, and shows what the patch does. */
function placesOf(input: PlanInput, active: NodeSnapshot): readonly Place[] {
  const others = input.snapshot.nodes
    .filter((node) => node !== active)
    .sort((left, right) => (left.node < right.node ? -1 : 1))
    .map(({ node, host }) => ({ node, host, reason: `does not serve ${input.workload}: first, nobody misses it` }));
  const reason = `serves ${input.workload}, which is away from its stop to its validation`;
  return [...others, { node: active.node, host: active.host, reason }];
}

function nodeSteps(input: PlanInput, node: string, asActive: boolean): StepDraft[] {
  const { versions } = nodeNamed(input.snapshot, node) as NodeSnapshot;
  const items = input.patchSet.items.filter((item) => behind(versions[item.name], item));
  if (items.length === 0) return [draft('validate', 'downtime', node, { asActive })];
  return [
    draft(asActive ? 'stop' : 'drain', 'downtime', node),
    ...items.map((item) => draft('patch', 'downtime', node, { item, fromVersion: versions[item.name]?.installed ?? '' })),
    draft('reboot', 'downtime', node),
    draft(asActive ? 'start' : 'join', 'downtime', node),
    draft('validate', 'downtime', node, { asActive }),
    ...(asActive ? [] : [draft('release', 'downtime', node)]),
  ];
}
