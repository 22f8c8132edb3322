import type { Asked, RedisAct, RedisGoal, RedisSnapshot } from './snapshot.js';
import { masterOf } from './topology.js';

type Known = Required<Pick<RedisGoal, 'asked'>> & Pick<RedisGoal, 'gaveUp' | 'firstMaster'>;

/** What one call into the driver remembers from look to look, for `nextAct`. It is lost with the call; what it left shows in the next look. */
export class CallMemory {
  private readonly acts = new Map<string, { times: number; atMs: number; outcome: Asked['outcome']; said: string }>();
  private gaveUp: string | undefined;
  private firstMaster: string | undefined;

  /** @param now a monotonic clock, in milliseconds. */
  constructor(private readonly now: () => number) {}

  get known(): Known {
    const nowMs = this.now();
    const asked = [...this.acts].map(
      ([name, { times, atMs, outcome, said }]) => [name, { times, agoMs: nowMs - atMs, outcome, said }] as const,
    );
    return {
      asked: new Map(asked),
      ...(this.gaveUp === undefined ? {} : { gaveUp: this.gaveUp }),
      ...(this.firstMaster === undefined ? {} : { firstMaster: this.firstMaster }),
    };
  }

  performed(act: RedisAct, outcome: Asked['outcome'], said: string): void {
    const name = `${act.act} ${act.node}`;
    this.acts.set(name, { times: (this.acts.get(name)?.times ?? 0) + 1, atMs: this.now(), outcome, said });
    if (act.act === 'fence' && outcome === 'refused') this.gaveUp ??= said;
    if (act.act === 'give-back') this.gaveUp ??= act.because;
  }

  seen(snapshot: RedisSnapshot): void {
    this.firstMaster ??= masterOf(snapshot)?.node;
  }
}
