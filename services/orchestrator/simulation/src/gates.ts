import type { ClusterSnapshot } from '@understudy/cluster';
import {
  planRollout,
  type DriftSeen,
  type GateInputs,
  type PlanInput,
  type Planning,
  type RolloutCommand,
  type RolloutPlanned,
  type RolloutState,
  type StepRequested,
  type SwitchoverResult,
  type TicketSeen,
} from '@understudy/orchestrator-domain';
import type { Shown } from './driver.js';
import { definitionOf, type Effects } from './effects.js';
import { ITEM, PATCHES, WORKLOAD, type Patient } from './fleet.js';
import { hashOf } from './log.js';
import type { Client } from './store.js';

/** What plans and gates are made of, as the product collects it. */

/** What other services would answer when asked now. */
export interface Peers {
  drift(rolloutId: string, requestId: string): DriftSeen | null;
  ticket(rolloutId: string): TicketSeen | null;
  /** How the cluster was classified; null = could not be told. */
  haLayer(cluster: string): GateInputs['haLayer'];
}

/** Told of what the gates of a rollout are about to be judged on, of what is about to be performed, and of what was seen. */
export interface MoveWatcher {
  collected(rolloutId: string, inputs: GateInputs): void;
  performing(requested: StepRequested, incarnation: string, hasLooked: boolean): void;
  looked(rolloutId: string, look: StepLook): void;
}

/** One look at a step, and what it showed. */
export interface StepLook {
  readonly stepId: string;
  /** Null: before it was asked for. */
  readonly requested: StepRequested | null;
  readonly incarnation: string;
  /** By the clock of who looked, RFC 3339. */
  readonly at: string;
  readonly shown: Shown;
}

export class GateLooks {
  constructor(
    private readonly patients: readonly Patient[],
    private readonly peers: Peers,
    readonly watcher: MoveWatcher,
  ) {}

  async collect(state: RolloutState, client: Client, effects: Effects): Promise<GateInputs> {
    const definition = definitionOf(state);
    const rolloutId = state.planned?.rolloutId ?? '';
    const patient = this.patientOf(rolloutId);
    const claimed = await this.claimed(
      definition.nodes.map((node) => node.host),
      rolloutId,
      client,
    );
    const snapshot = await effects.driver.observe(definition);
    const { neighbours } = await effects.neighbours(definition);
    const requestId = state.drift?.requestId ?? state.driftRequest?.requestId;
    const inputs: GateInputs = {
      snapshot,
      haLayer: this.peers.haLayer(definition.slug),
      drift: requestId === undefined ? null : this.peers.drift(rolloutId, requestId),
      ticket: this.peers.ticket(rolloutId),
      rehearsal: null,
      wayBack: definition.nodes.map(({ slug }) => {
        const proven = !patient.unproven.includes(slug);
        return { node: slug, proven, applicable: true, detail: proven ? 'the old release is at hand' : 'it is not at hand' };
      }),
      probe: { available: true, detail: 'A probe writes a hundred times a second.' },
      topologyFingerprint: fingerprintOf(snapshot),
      own: { systemIdentifiers: ['own-store'], machineIds: ['own-machine'] },
      machineIds: {},
      claimed,
      neighbours,
    };
    this.watcher.collected(rolloutId, inputs);
    return inputs;
  }

  private async claimed(hosts: readonly string[], rolloutId: string, client: Client): Promise<Readonly<Record<string, string>>> {
    const claimed: Record<string, string> = {};
    for (const host of new Set(hosts)) {
      const by = await client.claimedBy(host);
      if (by !== null && by !== rolloutId) claimed[host] = by;
    }
    return claimed;
  }

  /** Until it is admitted, a rollout whose topology has changed is planned anew. */
  async revision(
    state: RolloutState,
    seen: string | null,
    { effects, incarnation }: { readonly effects: Effects; readonly incarnation: string },
    at: string,
  ): Promise<Extract<RolloutCommand, { type: 'RevisePlan' }> | null> {
    const { admitted, planned, plan, topologyFingerprint } = state;
    if (admitted || !planned || !plan || seen === null || seen === topologyFingerprint) return null;
    const patient = this.patientOf(planned.rolloutId);
    const snapshot = await effects.driver.observe(planned.cluster);
    const planning = planningOf(patient, snapshot, planned.switchoverResult);
    if (!('plan' in planning)) return null;
    const fingerprint = fingerprintOf(snapshot);
    const binding = bindingOf(planning.plan.hash, fingerprint);
    return {
      type: 'RevisePlan',
      plan: planning.plan,
      reason: 'The topology has changed.',
      binding,
      topologyFingerprint: fingerprint,
      incarnation,
      at,
    };
  }

  private patientOf(rolloutId: string): Patient {
    const found = this.patients.find((patient) => patient.rolloutId === rolloutId);
    if (found === undefined) throw new Error(`There is no rollout ${rolloutId} in this window.`);
    return found;
  }
}

/** Nodes, hosts, versions and what may be promoted; not who serves. */
export function fingerprintOf(snapshot: ClusterSnapshot): string {
  return hashOf(JSON.stringify(snapshot.nodes.map((node) => [node.node, node.host, node.promotion, node.versions])));
}

function bindingOf(planHash: string, fingerprint: string): string {
  return hashOf(`${planHash} ${fingerprint}`);
}

function planningOf(patient: Patient, snapshot: ClusterSnapshot, switchoverResult: SwitchoverResult | null): Planning {
  const pair = { allowed: true, wayBack: patient.wayBack, reason: 'the same major version' };
  const input: PlanInput = {
    kind: 'patch',
    cluster: patient.definition,
    workload: WORKLOAD,
    playbook: patient.playbook,
    patchSet: PATCHES,
    snapshot,
    versionPairs: { [ITEM]: pair },
    writeSafety: 'The old active is stopped and marked as a standby before the promotion.',
    cannotRollBecause: null,
    switchoverResult,
    noRollback: patient.unproven,
    digest: (text) => hashOf(text),
  };
  return planRollout(input);
}

/** The first plan, from the window's own look. */
export function plannedOf(patient: Patient, snapshot: ClusterSnapshot, atMs: number): RolloutPlanned {
  const fingerprint = fingerprintOf(snapshot);
  const at = new Date(atMs).toISOString();
  const switchoverResult: SwitchoverResult | null = patient.playbook.phases.switchoverTest.enabled
    ? null
    : {
        rolloutId: 'r-before',
        fingerprint,
        at,
        expiresAt: new Date(patient.closesAtMs + 60_000).toISOString(),
        longestInterruptionMs: 300,
      };
  const planning = planningOf(patient, snapshot, switchoverResult);
  const plan = 'plan' in planning ? planning.plan : null;
  return {
    rolloutId: patient.rolloutId,
    windowId: 'w-1',
    kind: 'patch',
    cluster: patient.definition,
    workload: WORKLOAD,
    playbook: patient.playbook,
    playbookHash: 'playbook',
    patchSet: PATCHES,
    patchSetHash: 'patches',
    plan,
    noPlanBecause: 'plan' in planning ? null : planning.noPlanBecause,
    binding: bindingOf(plan?.hash ?? '', fingerprint),
    topologyFingerprint: fingerprint,
    opensAt: new Date(patient.opensAtMs).toISOString(),
    closesAt: new Date(patient.closesAtMs).toISOString(),
    plannedBy: 'otto',
    at,
    switchoverResult,
  };
}
