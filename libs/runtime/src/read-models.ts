/** A service's read models together: started and stopped, waited for, shown in health and metrics. */
import type { FollowerStatus } from '@understudy/event-log';
import { Gauge } from 'prom-client';
import type { Health, PartHealth } from './health.js';
import { inAMoment } from './in-a-moment.js';
import type { Metrics } from './metrics.js';

/** How long a read waits for a read model that is behind; it is a few ms unless the machine is overloaded. */
const READ_WAIT_MS = 2_000;

/** What `ProjectionRunner` of `libs/event-log` is to its service. */
export interface ReadModel {
  start(): void;
  stop(): Promise<void>;
  status(): Promise<FollowerStatus>;
  caughtUp(deadlineMs: number, position?: number): Promise<void>;
}

export class ReadModels {
  /** @param models by the name that health and metrics show, e.g. `drift.findings`. */
  constructor(
    private readonly rim: { readonly health: Health; readonly metrics: Metrics },
    private readonly models: Readonly<Record<string, ReadModel>>,
  ) {}

  start(): void {
    const models = Object.entries(this.models);
    for (const [name, model] of models) {
      model.start();
      this.rim.health.register(name, async () => healthOf(await model.status()));
    }
    const name = `understudy_${models[0]?.[0].split('.')[0]}_read_model_lag_events`;
    new Gauge({
      name,
      help: 'Events that a read model is behind the log.',
      labelNames: ['model'],
      registers: this.rim.metrics.registersFor(name),
      async collect() {
        this.reset();
        const told = await Promise.all(models.map(async ([model, runner]) => [model, await inAMoment(runner.status())] as const));
        for (const [model, status] of told) if (status !== undefined) this.set({ model }, status.lagEvents);
      },
    });
  }

  /** Lets the batches in flight end. */
  async stop(): Promise<void> {
    await Promise.all(Object.values(this.models).map((model) => model.stop()));
  }

  /** Waits until lists show what the log says now, so that a reader never sees less than was told; for a moment only, then they show what they have. */
  async fresh(): Promise<void> {
    await this.upTo(READ_WAIT_MS).catch(() => undefined);
  }

  /** Waits until lists show what was just written (`position`), so that a caller reads its own writes; a slow projection delays nobody for long. */
  async written(position: number | undefined): Promise<void> {
    if (position !== undefined) await this.upTo(READ_WAIT_MS, position).catch(() => undefined);
  }

  /** Resolves when all of them show everything up to `position` (default: the log's end now); throws past the deadline. */
  async upTo(deadlineMs: number, position?: number): Promise<void> {
    await Promise.all(Object.values(this.models).map((model) => model.caughtUp(deadlineMs, position)));
  }
}

function healthOf({ state, lagEvents, problem }: FollowerStatus): PartHealth {
  if (state === 'restored') return { status: 'down', reason: problem ?? 'the log was restored' };
  return problem === undefined ? { status: 'ok' } : { status: 'degraded', reason: `${lagEvents} events behind: ${problem}` };
}
