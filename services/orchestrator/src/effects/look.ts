import { hostOf, type CheckResult, type ClusterDefinition } from '@understudy/cluster';
import type { Host, JobState, PatchSource } from '@understudy/hosts';
import {
  jobIdOf,
  probeJobId,
  STEP_RULES,
  type Ask,
  type JobSeen,
  type Look,
  type MeasuredInterruption,
  type Neighbour,
  type Observation,
  type PlaybookCheck,
  type PlannedStep,
  type RolloutState,
  type StepRequested,
} from '@understudy/orchestrator-domain';
import type { Probe, ProbeResult } from '@understudy/probe';
import { redactText, type Log } from '@understudy/runtime';
import { definitionOf, hostNamed, messageOf, rolloutIdOf, workloadOf } from './perform.js';
import { picture } from './picture.js';
import type { OpenCluster, Targets } from './targets.js';

const LOOK_DEADLINE_MS = 5_000;
const OUTPUT_TAIL_CHARACTERS = 4_096;
const OUTPUT_PART_BYTES = 65_536;
const MOST_OUTPUT_PARTS = 16;

export interface LookTools {
  /** Milliseconds since the epoch, the store's clock. */
  readonly now: () => number;
  readonly log: Log;
  readonly targets: Targets;
  readonly patchSource: (name: string) => PatchSource;
  readonly probe: Probe;
  readonly neighbours: (definition: ClusterDefinition) => Promise<readonly Neighbour[]>;
  readonly runCheck: (open: OpenCluster, check: PlaybookCheck, node: string, deadlineMs: number) => Promise<CheckResult>;
}

/** What to look at: a step before its request (`requested: null`), or a requested one. */
export interface LookRequest {
  readonly state: RolloutState;
  readonly step: PlannedStep;
  readonly requested: StepRequested | null;
}

/**
 * Looks at the world for a step's goal. Never throws: what could not be seen is absent from the observation, and a
 * goal reads absence as unclear.
 */
export class Looker {
  constructor(private readonly tools: LookTools) {}

  async look(request: LookRequest): Promise<Observation> {
    const startedAt = new Date(this.tools.now()).toISOString();
    let open: OpenCluster;
    try {
      open = await this.tools.targets.openCluster(definitionOf(request.state));
    } catch (error) {
      return { at: startedAt, checks: [{ check: 'reach', passed: null, detail: messageOf(error) }] };
    }
    const rules = STEP_RULES[request.step.kind];
    // Before a request and before the end there is always a picture: who serves decides what may come next.
    const looks = new Set<Look>(request.requested ? rules.looks : ['snapshot', ...rules.before]);
    // The job first: a version that was read before its job ended says nothing about what the job did.
    const job = looks.delete('job') ? await this.detail(open, request, 'job') : {};
    const seen = await Promise.all([...looks].map((look) => this.detail(open, request, look)));
    return Object.assign({ at: startedAt }, job, ...seen) as Observation;
  }

  /** What one look brings; a look that fails brings nothing, and the goal says that it could not be told. */
  private async detail(open: OpenCluster, request: LookRequest, look: Look): Promise<Partial<Observation>> {
    try {
      return await this.at(open, request, look);
    } catch (error) {
      this.tools.log.warn({ step: request.step.stepId, look, error: messageOf(error) }, 'a look failed');
      return {};
    }
  }

  private async at(open: OpenCluster, request: LookRequest, look: Look): Promise<Partial<Observation>> {
    const { state, step, requested } = request;
    switch (look) {
      case 'snapshot': {
        const items = state.planned?.patchSet.items ?? [];
        const { snapshot } = await picture(open, items, this.tools.patchSource, LOOK_DEADLINE_MS);
        return { snapshot };
      }
      case 'checks':
        return requested?.ask.ask === 'observe' ? { checks: (await this.checks(open, state, requested.ask)).map(redacted) } : {};
      case 'job':
        return requested ? this.job(open, step, requested) : {};
      case 'patch':
        return this.patch(open, state, step);
      case 'probe':
        return this.probe(open, state);
      case 'interruption':
        return requested ? { interruption: await this.interruption(open, request, requested) } : {};
      case 'neighbours':
        return { neighbours: await this.tools.neighbours(open.target.definition) };
    }
  }

  private async checks(
    open: OpenCluster,
    state: RolloutState,
    ask: Extract<Ask, { ask: 'observe' }>,
  ): Promise<readonly CheckResult[]> {
    const workload = workloadOf(state);
    try {
      switch (ask.look) {
        case 'snapshot':
          return [];
        case 'preflight':
        case 'postflight':
          return await open.driver.preflight(open.target, workload, LOOK_DEADLINE_MS, purposeOf(state));
        case 'validate':
          return await open.driver.validate(open.target, workload, ask.node, ask.asActive, LOOK_DEADLINE_MS);
        case 'check':
          return [await this.tools.runCheck(open, ask.check, ask.node, LOOK_DEADLINE_MS)];
      }
    } catch (error) {
      return [{ check: ask.look, passed: null, detail: `Could not be evaluated: ${messageOf(error)}` }];
    }
  }

  private async job(open: OpenCluster, step: PlannedStep, requested: StepRequested): Promise<Partial<Observation>> {
    const host = hostNamed(open.target.hosts, hostOf(open.target.definition, step.node ?? '')?.slug);
    const jobId = jobIdOf(requested);
    return { job: await seen(host, jobId, await host.jobs.state(jobId, LOOK_DEADLINE_MS)) };
  }

  /** What the patch source finds installed on the step's node; of the step's item, or of all for a reboot. */
  private async patch(open: OpenCluster, state: RolloutState, step: PlannedStep): Promise<Partial<Observation>> {
    const host = hostNamed(open.target.hosts, hostOf(open.target.definition, step.node ?? '')?.slug);
    const items = step.item ? [step.item] : (state.planned?.patchSet.items ?? []);
    const installed: Record<string, string | null> = {};
    let rebootNeeded: boolean | null = false;
    for (const item of items) {
      const verification = await this.tools.patchSource(item.source).verify(host, item, LOOK_DEADLINE_MS);
      if (verification.checks.every((check) => check.passed !== null)) installed[item.name] = verification.version.installed;
      rebootNeeded =
        rebootNeeded === true || verification.rebootNeeded === true
          ? true
          : verification.rebootNeeded === null
            ? null
            : rebootNeeded;
    }
    return { patch: { installed, rebootNeeded } };
  }

  private async probe(open: OpenCluster, state: RolloutState): Promise<Partial<Observation>> {
    const host = hostNamed(open.target.hosts, open.target.definition.probeHost);
    const { status } = await host.jobs.state(probeJobId(rolloutIdOf(state)), LOOK_DEADLINE_MS);
    return { probe: status === 'running' || status === 'absent' || status === 'unknown' ? status : 'ended' };
  }

  /** Measured since the step was requested; for `stop-probe` over the whole rollout, every write looked up. */
  private async interruption(open: OpenCluster, request: LookRequest, requested: StepRequested): Promise<MeasuredInterruption> {
    const whole = request.step.kind === 'stop-probe';
    if (!whole && !request.state.probeRunning) return { measured: false, reason: 'No probe runs for this rollout.' };
    const host = hostNamed(open.target.hosts, open.target.definition.probeHost);
    const jobId = probeJobId(rolloutIdOf(request.state));
    if (whole) return measured(await this.tools.probe.stop(host, jobId));
    const between = { fromMs: Date.parse(requested.at), toMs: open.target.now() };
    return measured(await this.tools.probe.read(host, jobId, between));
  }
}

/** A downtime moves nothing: what only a switchover needs is not asked of it. */
function purposeOf(state: RolloutState): 'moving' | 'staying' {
  return state.planned?.kind === 'downtime' ? 'staying' : 'moving';
}

/** The words of servers and tools stand in details. */
function redacted(check: CheckResult): CheckResult {
  return { ...check, detail: redactText(check.detail) };
}

async function seen(host: Host, jobId: string, state: JobState): Promise<JobSeen> {
  if (state.status === 'absent' || state.status === 'unknown') return { status: state.status };
  const tail = await outputTail(host, jobId);
  return { status: state.status, ...(state.status === 'exited' ? { code: state.code } : {}), tail };
}

/** The last lines of a job's output; of an endless output, those of its first part. */
async function outputTail(host: Host, jobId: string): Promise<string> {
  let tail = '';
  let from = 0;
  let isCut = false;
  for (let part = 0; part < MOST_OUTPUT_PARTS; part += 1) {
    const output = await host.jobs.output(jobId, from, OUTPUT_PART_BYTES, LOOK_DEADLINE_MS);
    if (output.status !== 'read' || output.nextByte === from) break;
    const text = tail + output.text;
    isCut ||= text.length > OUTPUT_TAIL_CHARACTERS;
    tail = text.slice(-OUTPUT_TAIL_CHARACTERS);
    from = output.nextByte;
  }
  // In whole lines: of a secret whose name was cut off nobody could tell what it is.
  const lines = tail.split('\n').slice(isCut ? 1 : 0);
  return redactText(lines.slice(-20).join('\n'));
}

/** The probe's result in the domain's words. */
export function measured(result: ProbeResult): MeasuredInterruption {
  if (result.status === 'not-measured') return { measured: false, reason: result.reason };
  return {
    measured: true,
    fromMs: result.fromMs,
    toMs: result.toMs,
    gaps: result.interruptions.map(({ fromMs, durationMs, failedOperations }) => ({ fromMs, durationMs, failedOperations })),
    longestMs: result.longestMs,
    sumMs: result.sumMs,
    failedOperations: result.failedOperations,
    resolutionMs: result.resolutionMs,
    acknowledgedWrites: result.acknowledgedWrites,
    lostWrites: result.lostWrites,
  };
}
