import type { ClusterDefinition } from '@understudy/cluster';
import type { Fence } from '@understudy/hosts';
import {
  nextMove,
  type Move,
  type Observation,
  type Performed,
  type RolloutCommand,
  type RunnerMemory,
  SNAPSHOT_MAX_AGE_MS,
} from '@understudy/orchestrator-domain';
import type { Effects } from './effects.js';
import type { GateLooks } from './gates.js';
import type { Entry, Life, Scheduler } from './scheduler.js';
import { StoreUnavailable, type Client, type Live } from './store.js';

/** As in the product. */
const RETRY_MS = 500;
const LONGEST_ACT_MS = 10_000;
const LONGEST_SLEEP_MS = 30_000;

export interface DriveTools {
  readonly scheduler: Scheduler;
  readonly life: Life;
  readonly client: Client;
  readonly effects: Effects;
  readonly gates: GateLooks;
  readonly incarnation: string;
  readonly now: () => number;
  readonly leaseRemainingMs: () => number;
  readonly newId: () => string;
  readonly saw: (what: string) => void;
}

export const LOG_ID = 'log-1';

/** Drives one rollout, as the product's `Drive` does: asks the runner, makes the move, asks again. Decides nothing. */
export class Drive {
  private memory: RunnerMemory;
  private lost = false;
  /** Steps that it has looked at, by their keys. */
  private readonly looked = new Set<string>();
  private raisedEpoch = 0;
  private unreachable: readonly string[] = [];
  private lookedAtMs = 0;
  private lookWasSlow = false;
  private wakePending = false;
  private woken: (() => void) | null = null;
  private said: { readonly key: string; readonly performed: Performed } | null = null;

  constructor(
    private readonly tools: DriveTools,
    readonly live: Live,
  ) {
    this.memory = {
      incarnation: tools.incarnation,
      performed: null,
      observation: null,
      gatesEvaluatedAtMs: null,
      nextRequestId: tools.newId(),
    };
  }

  async run(): Promise<void> {
    while (this.isOurs()) {
      try {
        this.forgetOldLook();
        await this.make(nextMove(this.live.state, this.memory, this.tools.now()));
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        await this.pause(RETRY_MS);
      }
    }
  }

  private forgetOldLook(): void {
    const { observation } = this.memory;
    if (observation !== null && this.tools.scheduler.nowMs - this.lookedAtMs > SNAPSHOT_MAX_AGE_MS)
      this.memory = { ...this.memory, observation: null };
  }

  wake(): void {
    this.wakePending = true;
    this.woken?.();
  }

  private isOurs(): boolean {
    return !this.lost && this.live.state.status !== 'closed' && this.isOwnerByLog();
  }

  private isOwnerByLog(): boolean {
    return this.live.state.owner?.incarnation === this.tools.incarnation;
  }

  private async make(move: Move): Promise<void> {
    if ((move.move === 'observe' || move.move === 'perform') && !(await this.raisedEverywhere())) return;
    switch (move.move) {
      case 'command':
        return this.give(move.command);
      case 'observe':
        return this.observe(move);
      case 'evaluate-gates':
        return this.evaluateGates();
      case 'perform':
        return this.perform(move);
      case 'sleep':
        return this.pause(Math.max(0, move.untilMs - this.tools.now()));
      case 'wait':
        return this.pause(Math.max(0, (move.untilMs ?? Number.POSITIVE_INFINITY) - this.tools.now()));
    }
  }

  private async raisedEverywhere(): Promise<boolean> {
    const { admitted, planned } = this.live.state;
    if (!admitted || !planned || this.raisedEpoch === this.live.epoch) return true;
    const { epoch } = this.live;
    const answer = await this.raise(planned.cluster, { logId: LOG_ID, epoch });
    this.unreachable = answer.unreachable;
    if (answer.by === null && answer.unreachable.length === 0) this.raisedEpoch = epoch;
    if (answer.by === null) return true;
    await this.shutOut(`Host ${answer.by.host} obeys epoch ${answer.by.epoch}.`, answer.by);
    return false;
  }

  private async raise(
    definition: ClusterDefinition,
    fence: Fence,
  ): Promise<{
    readonly by: { readonly host: string; readonly epoch: number } | null;
    readonly unreachable: readonly string[];
  }> {
    const carrying = [...new Set(definition.nodes.map((node) => node.host))];
    const answers = await Promise.all(
      carrying.map(async (host) => ({ host, answer: await this.tools.effects.driver.raise(host, fence) })),
    );
    const unreachable = answers.filter(({ answer }) => answer.status === 'unknown').map(({ host }) => host);
    const fenced = answers.flatMap(({ host, answer }) =>
      answer.status === 'fenced' ? [{ host, epoch: answer.seen.epoch }] : [],
    );
    return { by: fenced[0] ?? null, unreachable };
  }

  private async shutOut(reason: string, evidence: Readonly<Record<string, unknown>>): Promise<void> {
    this.tools.saw('fenced by a host');
    await this.tools.client.reload(this.live);
    this.lost = !this.isOwnerByLog();
    if (this.lost) return;
    const { incarnation } = this.tools;
    await this.give({ type: 'RecordDeviation', what: reason, evidence, incarnation, at: this.at() });
  }

  private at(): string {
    return new Date(this.tools.now()).toISOString();
  }

  private async give(command: RolloutCommand): Promise<void> {
    const given = await this.tools.client.give(this.live, command);
    if (given.accepted) {
      this.memory = { ...this.memory, nextRequestId: this.tools.newId() };
      if (command.type === 'RequestStep') this.memory = { ...this.memory, observation: null };
      return;
    }
    this.tools.saw(`refused: ${given.code}`);
    this.memory = { ...this.memory, observation: null };
    await this.pause(RETRY_MS);
  }

  private async observe(move: Extract<Move, { move: 'observe' }>): Promise<void> {
    const { step, requested } = move;
    const beganMs = this.tools.scheduler.nowMs;
    const seen = await this.tools.effects.look(this.live.state, step, requested);
    const forStep = requested?.key ?? step.stepId;
    this.looked.add(forStep);
    const { gates, effects, incarnation } = this.tools;
    const shown = effects.driver.shown.get(this.live.state.planned?.cluster.slug ?? '');
    if (shown !== undefined)
      gates.watcher.looked(this.live.rolloutId, { stepId: step.stepId, requested, incarnation, at: seen.at, shown });
    const said = requested !== null && this.said?.key === requested.key ? { performed: this.said.performed } : {};
    this.lookWasSlow = !this.lookWasSlow && this.tools.scheduler.nowMs - beganMs > SNAPSHOT_MAX_AGE_MS;
    if (this.lookWasSlow) return;
    this.lookedAtMs = this.tools.scheduler.nowMs;
    this.memory = { ...this.memory, observation: { forStep, observation: { ...this.withDoubt(seen), ...said } } };
  }

  /** While an earlier owner may still act on a host that has not answered, no picture is whole. */
  private withDoubt(seen: Observation): Observation {
    if (this.unreachable.length === 0 || !seen.snapshot) return seen;
    const doubt = `An earlier owner could not be shut out on ${this.unreachable.join(', ')}: no answer.`;
    return { ...seen, snapshot: { ...seen.snapshot, complete: false, disagreements: [...seen.snapshot.disagreements, doubt] } };
  }

  private async evaluateGates(): Promise<void> {
    const { gates, client } = this.tools;
    const inputs = await gates.collect(this.live.state, client, this.tools.effects);
    const atMs = this.tools.now();
    const revision = await gates.revision(this.live.state, inputs.topologyFingerprint, this.tools, this.at());
    if (revision !== null) await this.give(revision);
    this.memory = { ...this.memory, gatesEvaluatedAtMs: atMs };
    await this.give({ type: 'EvaluateGates', inputs, incarnation: this.tools.incarnation, at: new Date(atMs).toISOString() });
  }

  private async perform(move: Extract<Move, { move: 'perform' }>): Promise<void> {
    const { requested } = move;
    if (this.tools.leaseRemainingMs() < LONGEST_ACT_MS) {
      await this.pause(RETRY_MS);
      return;
    }
    const { state } = this.live;
    this.tools.gates.watcher.performing(requested, this.tools.incarnation, this.looked.has(requested.key));
    const performed = await this.tools.effects.perform({
      state,
      requested,
      fence: { logId: LOG_ID, epoch: this.live.epoch },
      mayGoOn: (next) => next.binding || this.mayGoOn(),
    });
    if (performed.status === 'unknown') this.tools.saw(`performed: ${performed.cause}`);
    if (performed.status === 'stuck') this.tools.saw(`stuck: ${requested.ask.ask}`);
    if (performed.status === 'unknown' && performed.cause === 'fenced') {
      await this.shutOut(performed.reason, { key: requested.key });
    }
    this.said = { key: requested.key, performed };
    this.memory = { ...this.memory, performed: { key: requested.key }, observation: null };
  }

  /** A freeze or a lost ownership holds before the next act that may be held. */
  private mayGoOn(): boolean {
    return this.live.state.status !== 'frozen' && this.isOwnerByLog();
  }

  private async pause(ms: number): Promise<void> {
    const { scheduler, life } = this.tools;
    let timer: Entry | undefined;
    if (!this.wakePending) {
      await new Promise<void>((resolve) => {
        this.woken = resolve;
        timer = scheduler.in(Math.min(ms, LONGEST_SLEEP_MS), life, resolve);
      });
    }
    if (timer !== undefined) timer.run = null;
    this.woken = null;
    this.wakePending = false;
  }
}
