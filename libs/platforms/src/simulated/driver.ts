import type { CheckResult } from '@understudy/cluster';
import type { World } from '@understudy/simulated-cluster';
import type { ClusterTarget, Fact, NodeFacts, PlatformDriver, VerbRequest } from '../platform.js';
import { CallMemory } from '../postgres-streaming/call-memory.js';
import { replicationEvidence } from '../postgres-streaming/evidence.js';
import { nextAct } from '../postgres-streaming/next-act.js';
import { forPurpose, topologyChecks } from '../postgres-streaming/preflight.js';
import type { PostgresAct, PostgresGoal, PostgresSnapshot } from '../postgres-streaming/snapshot.js';
import { summarise } from '../postgres-streaming/summary.js';
import { nodeNamed } from '../postgres-streaming/topology.js';
import { stateChecks } from '../postgres-streaming/validate.js';
import { runVerb, type ActOutcome, type VerbEngine } from '../verb-loop.js';
import { actOn } from './act.js';
import { viewOf } from './view.js';
import type { SimulatedWorlds } from './worlds.js';

const PLATFORM = 'simulated';
/** What one look, and one call to a host, costs in the world. */
const LOOK_MS = 5;
const CALL_MS = 5;

/**
 * A driver on a world in this process's memory: the loop and the pure `nextAct` are those of postgres-streaming, only
 * looking and acting go to the world. For tests, benchmarks and trials.
 */
export function simulatedDriver(worlds: SimulatedWorlds): PlatformDriver {
  const look = (target: ClusterTarget): PostgresSnapshot => {
    const { definition } = target;
    const view = viewOf(worlds.pass(definition, LOOK_MS));
    const reasons = new Map(definition.nodes.map((node) => [node.slug, node.notPromotable]));
    // How old a look is, is judged by the caller's clock, not by the world's.
    const observedAt = new Date(target.now()).toISOString();
    return { ...view, observedAt, nodes: view.nodes.map((node) => withReason(node, reasons.get(node.node))) };
  };
  const picture = (target: ClusterTarget): ReturnType<typeof summarise> => ({ ...summarise(look(target)), platform: PLATFORM });
  return {
    platform: PLATFORM,
    writeSafety: "A simulated cluster: nobody's data is at stake. The order is that of postgres-streaming.",
    settings: { cluster: ['version'], node: [] },
    evidence: (target) => Promise.resolve(replicationEvidence(look(target))),
    observe: (target) => Promise.resolve(picture(target)),
    preflight: (target, _workload, _deadlineMs, purpose = 'moving') =>
      Promise.resolve(forPurpose(topologyChecks(look(target)), purpose)),
    validate: (target, _workload, node, asActive) => Promise.resolve(validate(look(target), node, asActive)),
    facts: (target) => Promise.resolve(factsOf(worlds.of(target.definition))),
    versionPair: (_item, from, to) => ({
      allowed: true,
      wayBack: 'lossless',
      reason: `A simulated cluster takes any pair of versions (${from}, ${to}).`,
    }),
    fingerprintInput: (snapshot, facts) =>
      JSON.stringify({
        platform: snapshot.platform,
        nodes: snapshot.nodes.map((node) => [node.node, node.host, node.promotion, node.versions]),
        settings: facts.map((node) => node.facts.filter((fact) => fact.area === 'setting')),
      }),
    perform: (target, request) =>
      runVerb(engineFor(worlds, target, request, look), request).then((result) =>
        'snapshot' in result ? { ...result, snapshot: { ...result.snapshot, platform: PLATFORM } } : result,
      ),
  };
}

function withReason<T extends object>(node: T, notPromotable: string | undefined): T {
  return notPromotable === undefined ? node : { ...node, notPromotable };
}

function engineFor(
  worlds: SimulatedWorlds,
  target: ClusterTarget,
  request: VerbRequest,
  look: (target: ClusterTarget) => PostgresSnapshot,
): VerbEngine<PostgresSnapshot, PostgresAct> {
  const { definition } = target;
  const goal: PostgresGoal = {
    verb: request.verb,
    node: request.node,
    key: request.key,
    stopDeadlineMs: Number(request.parameters['stopDeadlineMs'] ?? 3_000),
    canRepoint: true,
  };
  const memory = new CallMemory(target.now);
  return {
    hosts: Object.values(target.hosts),
    now: target.now,
    monotonic: target.now,
    pause: (ms) => Promise.resolve(void worlds.pass(definition, ms)),
    observe: async () => {
      const seen = look(target);
      await memory.seen(seen, () => Promise.resolve('the release on disk does not start'));
      return seen;
    },
    nextAct: (snapshot) => nextAct(snapshot, { ...goal, remainingMs: request.deadlineAt - target.now(), ...memory.known }),
    perform: (act, key, deadlineMs) => {
      memory.performed(act);
      return perform(worlds, target, request, { act, key, deadlineMs });
    },
    summary: summarise,
  };
}

async function perform(
  worlds: SimulatedWorlds,
  target: ClusterTarget,
  request: VerbRequest,
  call: { readonly act: PostgresAct; readonly key: string; readonly deadlineMs: number },
): Promise<ActOutcome> {
  const journal = target.hosts[call.act.host]?.journal;
  if (journal === undefined) return { status: 'unknown', detail: `host ${call.act.host} is not defined` };
  const entry = { key: call.key, fence: request.fence, deadlineMs: call.deadlineMs };
  const entered = await journal.begin(entry);
  switch (entered.status) {
    case 'fenced':
      return entered;
    case 'unknown':
      return { status: 'unknown', detail: entered.reason };
    case 'known':
      return { status: 'ended', detail: `was performed before (${entered.code})` };
    case 'begun':
      break;
  }
  worlds.pass(target.definition, CALL_MS);
  const acted = actOn(worlds.of(target.definition), call.act, request.key);
  worlds.change(target.definition, () => acted.world);
  await journal.end(entry, acted.code);
  return acted.code === 3 ? { status: 'refused', detail: acted.detail } : { status: 'ended', detail: acted.detail };
}

function validate(snapshot: PostgresSnapshot, name: string, asActive: boolean): readonly CheckResult[] {
  const node = nodeNamed(snapshot, name);
  return node === undefined
    ? [{ check: 'known', node: name, passed: false, detail: `There is no node ${name}.` }]
    : stateChecks(snapshot, node, asActive);
}

function factsOf(world: World): readonly NodeFacts[] {
  const collectedAt = new Date(world.nowMs).toISOString();
  return Object.values(world.nodes).map(({ node, disk }) => {
    const settings = Object.entries(disk.settings).map(([name, value]): Fact => ({ area: 'setting', name, value }));
    return {
      node,
      collectedAt,
      facts: [{ area: 'version', name: 'postgresql', value: disk.installedVersion }, ...settings],
      missing: [],
    };
  });
}
