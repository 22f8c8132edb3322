/** `WatchRollout` over gRPC. */
import { orchestrator } from '@understudy/contracts';
import type { RpcClient } from '@understudy/testing';

/** What a watcher saw of one event. */
export interface WatchedEvent {
  readonly position: number;
  readonly version: number;
  readonly type: string;
}

export interface Watcher {
  readonly after: number;
  /** In the order they came. */
  events(): readonly WatchedEvent[];
  /** The server ended the stream, or `leave` was called. @throws as the call was refused. */
  readonly ended: Promise<void>;
  /** Goes away in the middle. */
  leave(): void;
}

/** Watches from after a position of the log until the rollout is closed. */
export function watch(client: RpcClient, rolloutId: string, after = 0): Watcher {
  const seen: WatchedEvent[] = [];
  const leaving = new AbortController();
  const follow = async (): Promise<void> => {
    const { watchRollout } = orchestrator.RolloutService.method;
    for await (const { event } of client.watch(watchRollout, { rolloutId, after: BigInt(after) }, leaving.signal)) {
      if (event === undefined) throw new Error('An answer without an event.');
      seen.push({ position: Number(event.position), version: Number(event.version), type: event.type });
    }
  };
  const ended = follow();
  ended.catch(() => undefined);
  return { after, events: () => seen, ended, leave: () => leaving.abort() };
}
