import { hostOf, type CheckResult, type ClusterDefinition } from '@understudy/cluster';
import type { Fence } from '@understudy/hosts';
import {
  jobIdOf,
  neighboursOn,
  probeJobId,
  STEP_RULES,
  type Ask,
  type Look,
  type MeasuredInterruption,
  type Neighbour,
  type Observation,
  type Performed,
  type PlannedStep,
  type RolloutState,
  type StepRequested,
} from '@understudy/orchestrator-domain';
import type { VerbResult } from '@understudy/platforms';
import { nodeOf, takesWrites } from '@understudy/simulated-cluster';
import type { Driver, Reach } from './driver.js';
import { ITEM, WORKLOAD } from './fleet.js';
import type { Jobs } from './jobs.js';
import type { Answer } from './net.js';
import type { Life } from './scheduler.js';

/** How one process looks at a step's world and performs what it asks: the product's `Looker` and `Performer`, in small. */

const LOOK_LIMIT_MS = 5_000;

export type MayGoOn = (next: { readonly act: string; readonly binding: boolean }) => boolean;

export interface PerformCall {
  readonly state: RolloutState;
  readonly requested: StepRequested;
  readonly fence: Fence;
  readonly mayGoOn: MayGoOn;
}

export class Effects {
  constructor(
    private readonly reach: Reach & { readonly jobs: Jobs },
    private readonly life: Life,
    readonly driver: Driver,
    private readonly now: () => number,
  ) {}

  /** What could not be seen is absent. */
  async look(state: RolloutState, step: PlannedStep, requested: StepRequested | null): Promise<Observation> {
    const at = new Date(this.now()).toISOString();
    const rules = STEP_RULES[step.kind];
    const looks = new Set<Look>(requested ? rules.looks : ['snapshot', ...rules.before]);
    const job = looks.delete('job') ? await this.detail('job', state, step, requested) : {};
    const seen = await Promise.all([...looks].map((look) => this.detail(look, state, step, requested)));
    return Object.assign({ at }, job, ...seen) as Observation;
  }

  private async detail(
    look: Look,
    state: RolloutState,
    step: PlannedStep,
    requested: StepRequested | null,
  ): Promise<Partial<Observation>> {
    const definition = definitionOf(state);
    switch (look) {
      case 'snapshot':
        return { snapshot: await this.driver.observe(definition) };
      case 'checks':
        return requested?.ask.ask === 'observe' ? { checks: await this.checks(definition, requested.ask) } : {};
      case 'job':
        return requested ? this.job(definition, step, requested) : {};
      case 'patch':
        return this.patch(definition, step);
      case 'probe':
        return this.probe(definition, state);
      case 'interruption':
        return requested ? { interruption: await this.interruption(definition, state, step, requested) } : {};
      case 'neighbours':
        return this.neighbours(definition);
    }
  }

  private async checks(definition: ClusterDefinition, ask: Extract<Ask, { ask: 'observe' }>): Promise<readonly CheckResult[]> {
    switch (ask.look) {
      case 'snapshot':
        return [];
      case 'preflight':
      case 'postflight':
        return this.driver.preflight(definition);
      case 'validate':
        return this.driver.validate(definition, ask.node, ask.asActive);
      case 'check':
        return [await this.check(definition, ask.check.name, ask.node)];
    }
  }

  /** The playbook's own check: a client's question to the node that serves. */
  private async check(definition: ClusterDefinition, check: string, node: string): Promise<CheckResult> {
    const host = hostOf(definition, node)?.slug ?? '';
    const answer = await this.ask(host, () => takesWrites(nodeOf(this.reach.ground.site(definition.slug).world, node)));
    if (!answer.answered) return { check, node, passed: null, detail: answer.reason };
    return { check, node, passed: answer.value, detail: answer.value ? 'It answers.' : 'It does not answer.' };
  }

  private async job(
    definition: ClusterDefinition,
    step: PlannedStep,
    requested: StepRequested,
  ): Promise<Pick<Observation, 'job'>> {
    const host = hostOf(definition, step.node ?? '')?.slug ?? '';
    const answer = await this.ask(host, () => this.reach.jobs.state(host, jobIdOf(requested)));
    if (!answer.answered) return { job: { status: 'unknown' } };
    const { value } = answer;
    return { job: { status: value.status, ...(value.status === 'exited' ? { code: value.code } : {}) } };
  }

  private async patch(definition: ClusterDefinition, step: PlannedStep): Promise<Partial<Observation>> {
    const host = hostOf(definition, step.node ?? '')?.slug ?? '';
    const { ground } = this.reach;
    const answer = await this.ask(host, () => ({
      installed: { [ITEM]: nodeOf(ground.site(definition.slug).world, step.node ?? '').disk.installedVersion },
      rebootNeeded: ground.box(host).rebootPending,
    }));
    return answer.answered ? { patch: answer.value } : { patch: { installed: {}, rebootNeeded: null } };
  }

  private async probe(definition: ClusterDefinition, state: RolloutState): Promise<Partial<Observation>> {
    const host = definition.probeHost ?? '';
    const answer = await this.ask(host, () => this.reach.jobs.state(host, probeOf(state)));
    if (!answer.answered) return { probe: 'unknown' };
    const { status } = answer.value;
    return { probe: status === 'running' || status === 'absent' || status === 'unknown' ? status : 'ended' };
  }

  /** As a client measured it: times in which nobody took writes, as long as the probe ran. */
  private async interruption(
    definition: ClusterDefinition,
    state: RolloutState,
    step: PlannedStep,
    requested: StepRequested,
  ): Promise<MeasuredInterruption> {
    const whole = step.kind === 'stop-probe';
    if (!whole && !state.probeRunning) return { measured: false, reason: 'No probe runs for this rollout.' };
    const { ground, jobs } = this.reach;
    const host = definition.probeHost ?? '';
    const answer = await this.ask(host, () => {
      const job = ground.box(host).jobs.get(probeOf(state));
      if (whole) jobs.stop(host, probeOf(state));
      return job === undefined || job.status === 'lost' ? null : job.startedAtMs;
    });
    if (!answer.answered || answer.value === null) return { measured: false, reason: 'The probe is lost.' };
    const fromMs = whole ? answer.value : Date.parse(requested.at);
    return this.measured(definition.slug, fromMs, ground.scheduler.nowMs);
  }

  private measured(cluster: string, fromMs: number, toMs: number): MeasuredInterruption {
    const { gaps } = this.reach.ground.site(cluster);
    const lengths = gaps
      .map((gap) => ({ fromMs: Math.max(gap.fromMs, fromMs), toMs: Math.min(gap.toMs, toMs) }))
      .filter((gap) => gap.toMs > gap.fromMs)
      .map((gap) => ({ fromMs: gap.fromMs, durationMs: gap.toMs - gap.fromMs, failedOperations: 1 }));
    const durations = lengths.map((gap) => gap.durationMs);
    return {
      measured: true,
      fromMs,
      toMs,
      gaps: lengths,
      longestMs: Math.max(0, ...durations),
      sumMs: durations.reduce((sum, each) => sum + each, 0),
      failedOperations: lengths.length,
      resolutionMs: 10,
      acknowledgedWrites: 1,
      lostWrites: 0,
    };
  }

  async neighbours(definition: ClusterDefinition): Promise<{ readonly neighbours: readonly Neighbour[] }> {
    const hosts = new Set(definition.nodes.map((node) => node.host));
    const others = [...this.reach.ground.sites.values()]
      .map((site) => site.definition)
      .filter((other) => other.slug !== definition.slug && other.nodes.some((node) => hosts.has(node.host)));
    const looks = await Promise.all(others.map(async (other) => ({ other, seen: await this.driver.observe(other) })));
    return { neighbours: looks.flatMap(({ other, seen }) => neighboursOn([...hosts], other, seen)) };
  }

  async perform(call: PerformCall): Promise<Performed> {
    const { ask, key } = call.requested;
    const definition = definitionOf(call.state);
    switch (ask.ask) {
      case 'observe':
      case 'waitUntil':
        return { status: 'done', acts: [] };
      case 'verb':
        return performedVerb(
          await this.driver.perform(definition, {
            verb: ask.verb,
            workload: WORKLOAD,
            node: ask.node,
            key,
            fence: call.fence,
            deadlineAt: Date.parse(call.requested.deadlineAt),
            parameters: ask.parameters,
            mayGoOn: call.mayGoOn,
            onAct: () => undefined,
          }),
        );
      case 'job':
        return this.startJob(call, definition, ask);
      case 'probe':
        return this.moveProbe(call, definition, ask.action);
    }
  }

  private async startJob(
    call: PerformCall,
    definition: ClusterDefinition,
    ask: Extract<Ask, { ask: 'job' }>,
  ): Promise<Performed> {
    if (!call.mayGoOn({ act: ask.job, binding: false }))
      return { status: 'unknown', cause: 'frozen', reason: `Frozen before the ${ask.job} job was started.` };
    const host = hostOf(definition, ask.node)?.slug ?? '';
    const { net, jobs } = this.reach;
    const { key } = call.requested;
    const order = { cluster: definition.slug, host, jobId: jobIdOf(call.requested), key, fence: call.fence, ask };
    const answer = await net.call(this.life, host, LOOK_LIMIT_MS, (life) => Promise.resolve(jobs.start(life, order)));
    if (!answer.answered) return { status: 'unknown', cause: 'unreachable', reason: answer.reason };
    if (answer.value.status === 'fenced')
      return { status: 'unknown', cause: 'fenced', reason: `Host ${host} has seen epoch ${answer.value.seen.epoch}.` };
    return { status: 'done', acts: [`start-${ask.job}`] };
  }

  private async moveProbe(call: PerformCall, definition: ClusterDefinition, action: 'start' | 'stop'): Promise<Performed> {
    const host = definition.probeHost ?? '';
    const { jobs } = this.reach;
    const jobId = probeOf(call.state);
    const answer = await this.ask(host, () =>
      action === 'start' ? jobs.startProbe(host, jobId, call.fence) : jobs.stop(host, jobId),
    );
    if (!answer.answered) return { status: 'unknown', cause: 'unreachable', reason: answer.reason };
    return { status: 'done', acts: [`${action}-probe`] };
  }

  private ask<T>(host: string, question: () => T): Promise<Answer<T>> {
    return this.reach.net.call(this.life, host, LOOK_LIMIT_MS, () => Promise.resolve(question()));
  }
}

export function definitionOf(state: RolloutState): ClusterDefinition {
  if (state.planned === null) throw new Error('The rollout has not been planned.');
  return state.planned.cluster;
}

export function probeOf(state: RolloutState): string {
  return probeJobId(state.planned?.rolloutId ?? '');
}

function performedVerb(result: VerbResult): Performed {
  switch (result.status) {
    case 'met':
      return { status: 'done', acts: result.acts.map((act) => act.act) };
    case 'stuck':
      return { status: 'stuck', reason: result.reason, acts: result.acts.map((act) => act.act) };
    case 'unknown':
      return { status: 'unknown', cause: result.cause, reason: result.reason };
  }
}
