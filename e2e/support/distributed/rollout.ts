/** A rollout seen by REST, as anybody with a token sees it. */
import type { Rest } from './rest.js';
import { waitFor } from './waiting.js';

const PLANNED_WITHIN_MS = 60_000;
const STORY_EVENTS = 30;
const STORY_BODY_CHARACTERS = 300;

/** A recorded event as the API exports it, as JSON and as NDJSON. */
export interface RecordedEvent {
  readonly position: number;
  readonly stream: string;
  readonly version: number;
  readonly type: string;
  readonly schemaVersion: number;
  readonly time: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly body: Readonly<Record<string, unknown>>;
  readonly hash: string;
}

/** A step of the plan in force. */
export interface PlannedStep {
  readonly stepId: string;
  readonly kind: string;
  readonly phase: string;
  readonly node?: string;
}

export class WatchedRollout {
  constructor(
    private readonly rest: Rest,
    readonly rolloutId: string,
  ) {}

  /** All that is recorded by now, by REST. */
  async events(): Promise<readonly RecordedEvent[]> {
    const { items } = await this.rest.get<{ items: readonly RecordedEvent[] }>(`/v1/rollouts/${this.rolloutId}/events`);
    return items;
  }

  /** Waits for the first recorded event that is meant. */
  async saw(what: string, limitMs: number, meant: (event: RecordedEvent) => boolean): Promise<RecordedEvent> {
    const seen: RecordedEvent[] = [];
    const look = async (): Promise<RecordedEvent | undefined> => {
      seen.splice(0, seen.length, ...(await this.events()));
      return seen.find(meant);
    };
    return waitFor(`${what} in rollout ${this.rolloutId}`, limitMs, look).catch((error: unknown) => {
      throw new Error(`${String(error)} Recorded last:\n${storyOf(seen)}`, { cause: error });
    });
  }

  /** The steps of the plan in force, in order. */
  async steps(): Promise<readonly PlannedStep[]> {
    const path = `/v1/rollouts/${this.rolloutId}/plan`;
    return (await this.rest.get<{ plan: { steps: readonly PlannedStep[] } }>(path)).plan.steps;
  }

  /** The planned step of that kind on that node, or the first of the kind. */
  async step(kind: string, node?: string): Promise<PlannedStep> {
    const steps = await this.steps();
    const found = steps.find((step) => step.kind === kind && (node === undefined || step.node === node));
    if (found === undefined) throw new Error(`The plan has no step ${kind} ${node ?? ''}: ${JSON.stringify(steps)}`);
    return found;
  }

  /** Waits until a step was asked for; answers the event. */
  requested(stepId: string, limitMs: number): Promise<RecordedEvent> {
    return this.saw(`${stepId} requested`, limitMs, ({ type, body }) => type === 'StepRequested' && body['stepId'] === stepId);
  }

  /** Waits for the end; answers its `RolloutClosed`. */
  closed(limitMs: number): Promise<RecordedEvent> {
    return this.saw('the end', limitMs, ({ type }) => type === 'RolloutClosed');
  }
}

/** The end of what was recorded, for a person. */
function storyOf(events: readonly RecordedEvent[]): string {
  return events
    .slice(-STORY_EVENTS)
    .map(({ version, time, type, body }) => `${version} ${time} ${type} ${JSON.stringify(body).slice(0, STORY_BODY_CHARACTERS)}`)
    .join('\n');
}

/** The window's rollout is planned by a reaction of the product's. */
export function rolloutOf(rest: Rest, windowId: string): Promise<string> {
  return waitFor(`the rollout of window ${windowId} to be planned`, PLANNED_WITHIN_MS, async () => {
    const { rollouts } = await rest.get<{ rollouts: readonly { readonly id: string }[] }>(`/v1/windows/${windowId}`);
    return rollouts[0]?.id;
  });
}
