import { hostOf } from '@understudy/cluster';
import type { Fence, Host, PatchSource, RebootStart } from '@understudy/hosts';
import {
  admittedTransaction,
  jobIdOf,
  probeJobId,
  type Ask,
  type Performed,
  type RolloutState,
  type StepRequested,
} from '@understudy/orchestrator-domain';
import type { VerbResult } from '@understudy/platforms';
import type { Probe } from '@understudy/probe';
import { redactText } from '@understudy/runtime';
import { probeSpec } from './probe-spec.js';
import type { OpenCluster, Targets } from './targets.js';

/** What may stop a performer between two acts. `binding`: the next act must follow, or nobody serves. */
export type MayGoOn = (next: { readonly act: string; readonly binding: boolean }) => boolean;

export interface PerformRequest {
  readonly state: RolloutState;
  readonly requested: StepRequested;
  readonly fence: Fence;
  readonly mayGoOn: MayGoOn;
  readonly onAct: (act: string, tookMs: number, detail: string) => void;
}

export interface PerformerTools {
  readonly targets: Targets;
  readonly patchSource: (name: string) => PatchSource;
  readonly reboot: (host: Host, jobId: string, fence: Fence) => Promise<RebootStart>;
  readonly probe: Probe;
}

/**
 * Executes what a step asked for, once. Never throws for what the world does; whether the step's goal is met is not
 * decided here but by the look that follows.
 */
export class Performer {
  constructor(private readonly tools: PerformerTools) {}

  async perform(request: PerformRequest): Promise<Performed> {
    try {
      const performed = await this.dispatch(request, request.requested.ask);
      // What a host or a server said stands in the reason, and goes into the log of events.
      return performed.status === 'done' ? performed : { ...performed, reason: redactText(performed.reason) };
    } catch (error) {
      return { status: 'unknown', cause: 'unreachable', reason: messageOf(error) };
    }
  }

  private async dispatch(request: PerformRequest, ask: Ask): Promise<Performed> {
    switch (ask.ask) {
      case 'observe':
      case 'waitUntil':
        return { status: 'done', acts: [] };
      case 'verb':
        return this.verb(request, ask);
      case 'job':
        return accepted(request, () => this.job(request, ask));
      case 'probe':
        return accepted(request, () => this.probe(request, ask));
    }
  }

  private async verb(request: PerformRequest, ask: Extract<Ask, { ask: 'verb' }>): Promise<Performed> {
    const { driver, target } = await this.open(request);
    const result = await driver.perform(target, {
      verb: ask.verb,
      workload: workloadOf(request.state),
      node: ask.node,
      key: request.requested.key,
      fence: request.fence,
      deadlineAt: Date.parse(request.requested.deadlineAt),
      parameters: ask.parameters,
      mayGoOn: request.mayGoOn,
      onAct: (report) => request.onAct(report.act, report.tookMs, report.detail),
    });
    return performedVerb(result);
  }

  private async job(request: PerformRequest, ask: Extract<Ask, { ask: 'job' }>): Promise<Performed> {
    const { target } = await this.open(request);
    const host = hostNamed(target.hosts, hostOf(target.definition, ask.node)?.slug);
    const jobId = jobIdOf(request.requested);
    if (!request.mayGoOn({ act: ask.job, binding: false }))
      return { status: 'unknown', cause: 'frozen', reason: `Frozen before the ${ask.job} job was started.` };
    if (ask.job === 'reboot') return started(await this.tools.reboot(host, jobId, request.fence), 'reboot', host.definition.slug);
    const source = this.tools.patchSource(ask.item.source);
    const description =
      ask.job === 'patch'
        ? source.apply(host, ask.item, admittedTransaction(request.state, ask.node, ask.item.name))
        : source.rollback(host, ask.item, requirePrevious(ask.previousVersion, ask.item.name));
    const start = await host.jobs.start({ jobId, fence: request.fence, limitMs: ask.limitMs, ...description });
    return started(start, ask.job, host.definition.slug);
  }

  private async probe(request: PerformRequest, ask: Extract<Ask, { ask: 'probe' }>): Promise<Performed> {
    const open = await this.open(request);
    const { target } = open;
    const host = hostNamed(target.hosts, target.definition.probeHost);
    const rolloutId = rolloutIdOf(request.state);
    if (!request.mayGoOn({ act: `${ask.action}-probe`, binding: false }))
      return { status: 'unknown', cause: 'frozen', reason: `Frozen before the probe's ${ask.action}.` };
    if (ask.action === 'stop') {
      await this.tools.probe.stop(host, probeJobId(rolloutId));
      return { status: 'done', acts: ['stop-probe'] };
    }
    const limitMs = Math.max(60_000, Date.parse(request.state.planned?.closesAt ?? '') - target.now());
    const result = await this.tools.probe.start(host, probeJobId(rolloutId), request.fence, probeSpec(open, limitMs));
    if (result.status === 'unknown') return { status: 'unknown', cause: 'unreachable', reason: result.reason };
    return { status: 'done', acts: ['start-probe'] };
  }

  private open(request: PerformRequest): Promise<OpenCluster> {
    return this.tools.targets.openCluster(definitionOf(request.state));
  }
}

/** Says what the hosts took; a verb's loop says so itself after each act. */
async function accepted(request: PerformRequest, send: () => Promise<Performed>): Promise<Performed> {
  const sinceMs = performance.now();
  const performed = await send();
  if (performed.status === 'done')
    for (const act of performed.acts) request.onAct(act, performance.now() - sinceMs, 'the host has taken it');
  return performed;
}

export function definitionOf(state: RolloutState): OpenCluster['target']['definition'] {
  if (!state.planned) throw new Error('The rollout has not been planned: there is no cluster to speak to.');
  return state.planned.cluster;
}

export function workloadOf(state: RolloutState): string {
  return state.planned?.workload ?? '';
}

export function rolloutIdOf(state: RolloutState): string {
  return state.planned?.rolloutId ?? '';
}

export function hostNamed(hosts: Readonly<Record<string, Host>>, slug: string | undefined): Host {
  const host = slug === undefined ? undefined : hosts[slug];
  if (!host) throw new Error(`The cluster names no host "${slug ?? ''}": register it with the cluster, then try again.`);
  return host;
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

function started(start: RebootStart, job: string, host: string): Performed {
  switch (start.status) {
    case 'started':
    case 'known':
      return { status: 'done', acts: [`start-${job}`] };
    case 'fenced':
      return {
        status: 'unknown',
        cause: 'fenced',
        reason: `Host ${host} has seen epoch ${start.seen.epoch}: another orchestrator owns this rollout now.`,
      };
    case 'refused':
      return { status: 'stuck', reason: start.reason, acts: [] };
    case 'unknown':
      return { status: 'unknown', cause: 'unreachable', reason: start.reason };
  }
}

function requirePrevious(version: string | null, item: string): string {
  if (version === null) throw new Error(`No version of ${item} was seen before the patch, so there is none to go back to.`);
  return version;
}

/** Without secrets that another program's words may hold. */
export function messageOf(error: unknown): string {
  return redactText(error instanceof Error ? error.message : String(error));
}
