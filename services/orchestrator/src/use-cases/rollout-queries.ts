import type { EventLog, SignedStatement, Store, StoredEvent, Verification } from '@understudy/event-log';
import { rolloutDecider, type RolloutEvent, type RolloutState } from '@understudy/orchestrator-domain';
import { Problem, type StreamItem } from '@understudy/runtime';
import { toRolloutEvent } from '../handle.js';

/** Between two looks of a live stream for events that another process appended. */
const TAIL_POLL_MS = 100;

/** A rollout as it was at some moment, folded from its recorded events alone. */
export interface RolloutAt {
  readonly rolloutId: string;
  readonly version: number;
  readonly position: number;
  readonly state: RolloutState;
  readonly events: readonly StoredEvent[];
}

/** Everything that is read of one rollout, from the log. Makes no side effects. */
export class RolloutQueries {
  constructor(private readonly store: Pick<Store, 'log' | 'checkpoints'>) {}

  /**
   * The rollout now, or as it was: `at` is a position (whole number) or an RFC 3339 time.
   * Throws `Problem` ROLLOUT_UNKNOWN (404), AT_INVALID (400), BEFORE_THE_BEGINNING (404).
   */
  async get(rolloutId: string, at?: string): Promise<RolloutAt> {
    const all = await this.log.readStream(`rollout/${rolloutId}`);
    if (all.length === 0) throw unknownRollout(rolloutId);
    const events = at === undefined ? all : all.filter(untilMoment(at));
    const last = events.at(-1);
    if (!last) {
      throw new Problem(
        'not-found',
        'BEFORE_THE_BEGINNING',
        `Rollout ${rolloutId} began at position ${all[0]?.position} (${all[0]?.time}); ask for that or later.`,
      );
    }
    return { rolloutId, version: last.version, position: last.position, state: foldRollout(events), events };
  }

  async verify(rolloutId: string): Promise<Verification> {
    await this.get(rolloutId);
    return this.log.verify(`rollout/${rolloutId}`);
  }

  /** Every chain and every position of the whole log. */
  verifyAll(): Promise<Verification> {
    return this.log.verify();
  }

  /** Signed checkpoints after a number, oldest first; none where nothing is signed. */
  async checkpoints(afterNumber: number, limit: number): Promise<readonly SignedStatement[]> {
    return (await this.store.checkpoints?.list(afterNumber, limit)) ?? [];
  }

  /** The oldest checkpoint that covers a position; null = not signed yet, or nothing is. */
  async checkpointOf(position: number): Promise<SignedStatement | null> {
    return (await this.store.checkpoints?.covering(position)) ?? null;
  }

  private get log(): EventLog {
    return this.store.log;
  }

  /** Past events after a position, then live ones until the rollout is closed or the reader has gone. */
  async *watch(rolloutId: string, afterPosition: number, signal: AbortSignal): AsyncGenerator<StreamItem> {
    let version = 0;
    let closed = false;
    while (!signal.aborted && !closed) {
      const events = await this.log.readStream(`rollout/${rolloutId}`, version + 1);
      for (const event of events) {
        version = event.version;
        closed = event.type === 'RolloutClosed';
        if (event.position > afterPosition) yield streamItem(event);
      }
      if (!closed) await this.appended(signal);
    }
  }

  /** Resolves at the next append of this process, or after the poll interval. */
  private appended(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        forget();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, TAIL_POLL_MS);
      const forget = this.log.onAppend(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }
}

export function unknownRollout(rolloutId: string): Problem {
  return new Problem('not-found', 'ROLLOUT_UNKNOWN', `There is no rollout ${rolloutId}. GET /v1/rollouts lists those there are.`);
}

/** An event as the API gives it, in JSON, NDJSON and server-sent events alike. */
export function eventDocument(event: StoredEvent): object {
  const { position, stream, version, type, schemaVersion, time, metadata, body, hash } = event;
  return { position, stream, version, type, schemaVersion, time, metadata, body, hash };
}

function streamItem(event: StoredEvent): StreamItem {
  return { id: event.position, event: event.type, data: eventDocument(event) };
}

export function foldRollout(events: readonly StoredEvent[]): RolloutState {
  return events
    .map(toRolloutEvent)
    .reduce((state: RolloutState, event: RolloutEvent) => rolloutDecider.evolve(state, event), rolloutDecider.initial);
}

function untilMoment(at: string): (event: StoredEvent) => boolean {
  if (/^\d{1,15}$/.test(at)) return (event) => event.position <= Number(at);
  const ms = Date.parse(at);
  if (Number.isNaN(ms)) {
    const detail = '`at` is a position in the log (a whole number) or an RFC 3339 time such as 2026-11-22T04:00:00Z.';
    throw new Problem('malformed', 'AT_INVALID', detail, {
      errors: [{ pointer: '/at', code: 'AT_INVALID', detail, in: 'query' }],
    });
  }
  return (event) => Date.parse(event.time) <= ms;
}
