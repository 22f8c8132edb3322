/** Two orchestrators on one schema, of which one may be dead or frozen: who owns a rollout, and whom to ask meanwhile. */
import { serviceFor, type ServiceProcess } from '@understudy/testing/outside';
import { Rest } from './rest.js';
import type { System } from './system.js';
import { waitFor, waitUntil } from './waiting.js';
import type { RecordedEvent } from './rollout.js';
import type { PairWindow } from './window.js';

/** Of a lease; another replica waits for the end of a dead owner's, and a few seconds at most. */
export const LEASE_TERM_MS = 30_000;
export const TAKEN_OVER_WITHIN_MS = LEASE_TERM_MS + 5_000;
const OWNED_LIMIT_MS = 30_000;
const DROPPED_LIMIT_MS = 15_000;

export interface Adoption {
  readonly instance: string;
  readonly incarnation: string;
  /** What hosts see as the epoch. */
  readonly position: number;
  readonly version: number;
}

export interface TakenOver extends Adoption {
  /** By the log's clock, ms since the epoch. */
  readonly at: number;
}

export class TwoOrchestrators {
  private answering: ServiceProcess;

  private constructor(
    /** As the system that was given, with the orchestrator that answers now in its REST. */
    readonly system: System,
    private readonly both: readonly [ServiceProcess, ServiceProcess],
  ) {
    this.answering = both[0];
  }

  /** Starts the second one. */
  static async on(system: System): Promise<TwoOrchestrators> {
    const first = system.stage.services.orchestrator;
    const second = system.stage.replica('orchestrator', 'orchestrator-2');
    await second.start();
    const addressOf = (path: string): string => {
      const service = serviceFor(path);
      return service === 'orchestrator' ? two.answering.rest : system.stage.services[service].rest;
    };
    const two: TwoOrchestrators = new TwoOrchestrators({ ...system, rest: new Rest(addressOf, system.stage.token) }, [
      first,
      second,
    ]);
    return two;
  }

  /** The process whose `RolloutAdopted` is the newest. */
  async owner(window: PairWindow): Promise<ServiceProcess> {
    return waitFor('somebody to own the rollout', OWNED_LIMIT_MS, async () => {
      const newest = adoptionsIn(await window.events()).at(-1);
      return this.both.find(({ name }) => name === newest?.instance);
    });
  }

  /** From now on questions go to the other one; answers it. */
  askNot(replica: ServiceProcess): ServiceProcess {
    const [first, second] = this.both;
    this.answering = replica === first ? second : first;
    return this.answering;
  }

  /** Waits until somebody has adopted the rollout after that event; answers who, and when by the log. */
  async takenOver(window: PairWindow, after: Pick<RecordedEvent, 'version'>): Promise<TakenOver> {
    const event = await window.saw(
      'another owner',
      TAKEN_OVER_WITHIN_MS + DROPPED_LIMIT_MS,
      ({ type, version }) => type === 'RolloutAdopted' && version > after.version,
    );
    return { ...adoptionOf(event), at: Date.parse(event.time) };
  }

  /** Waits until a process drives no rollout any more, as its own metrics say. */
  async dropped(replica: ServiceProcess): Promise<void> {
    await waitUntil(`${replica.name} to drop the rollout`, DROPPED_LIMIT_MS, async () => {
      const text = await (await fetch(new URL('/metrics', replica.rest))).text();
      const driven = [...text.matchAll(/^understudy_rollouts_driven\{[^}]*\} (\d+)$/gm)];
      return driven.every(([, count]) => count === '0');
    });
  }
}

export function adoptionsIn(events: readonly RecordedEvent[]): readonly Adoption[] {
  return events.filter(({ type }) => type === 'RolloutAdopted').map(adoptionOf);
}

function adoptionOf({ body, position, version }: RecordedEvent): Adoption {
  return { instance: String(body['instance']), incarnation: String(body['incarnation']), position, version };
}

/** Events that name an incarnation which did not own the rollout when they were recorded. */
export function notByTheOwner(events: readonly RecordedEvent[]): readonly string[] {
  let owner: unknown;
  return events.flatMap(({ type, version, body }) => {
    if (type === 'RolloutAdopted') owner = body['incarnation'];
    const by = body['incarnation'];
    return by === undefined || by === owner ? [] : [`${version} ${type} by ${String(by)}, owned by ${String(owner)}`];
  });
}

/** Attempts of steps that were asked for, or ended, more than once: `<type> <step> <attempt>`. */
export function recordedTwice(events: readonly RecordedEvent[]): readonly string[] {
  const ends = ['StepSucceeded', 'StepFailed', 'StepSkipped'];
  const times = new Map<string, number>();
  for (const { type, body } of events) {
    if (type !== 'StepRequested' && !ends.includes(type)) continue;
    const what = `${type === 'StepRequested' ? 'asked for' : 'ended'} ${String(body['stepId'])} ${String(body['attempt'])}`;
    times.set(what, (times.get(what) ?? 0) + 1);
  }
  return [...times].filter(([, count]) => count > 1).map(([what, count]) => `${what}: ${count} times`);
}
