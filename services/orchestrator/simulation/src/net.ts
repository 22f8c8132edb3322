import type { Arms } from './arms.js';
import type { Ground } from './ground.js';
import type { Random } from './random.js';
import { newLife, type Life } from './scheduler.js';

export type Answer<T> = { readonly answered: true; readonly value: T } | { readonly answered: false; readonly reason: string };

/** How long, in milliseconds, a message to a host takes each way. */
const LATENCY_MS = { from: 1, to: 15 };
/** When a host that does not answer is given up, in milliseconds, at the latest at the call's own deadline. */
const GIVEN_UP_MS = { from: 300, to: 2_500 };

/** Messages between orchestrators and hosts, with all that can happen to one on its way. */
export class Net {
  /** Of messages under way: they outlive who sent them. */
  private readonly wire = newLife();

  constructor(
    private readonly ground: Ground,
    private readonly chance: Random,
    private readonly arms: Arms,
  ) {}

  latencyMs(): number {
    return this.chance.int(LATENCY_MS.from, LATENCY_MS.to);
  }

  /**
   * Asks a host. `serve` runs there, under the life of the host's present boot, whatever becomes of the caller. No answer
   * by the deadline says nothing about whether it ran.
   */
  call<T>(caller: Life, host: string, deadlineMs: number, serve: (life: Life) => Promise<T>): Promise<Answer<T>> {
    const { scheduler } = this.ground;
    return new Promise((resolve) => {
      const giveUp = scheduler.in(deadlineMs, caller, () =>
        resolve({ answered: false, reason: `host ${host} did not answer in time` }),
      );
      const answer = (value: Answer<T>, afterMs: number): void => {
        scheduler.in(afterMs, this.wire, () => {
          scheduler.in(0, caller, () => {
            if (giveUp.run === null) return;
            giveUp.run = null;
            resolve(value);
          });
        });
      };
      this.send({ host, deadlineMs, serve, answer });
    });
  }

  private send<T>(call: Call<T>): void {
    const { host, deadlineMs, answer } = call;
    const { scheduler } = this.ground;
    if (this.arms.take('request-lost', host)) return;
    const lateMs = this.arms.take('request-late', host) ? this.chance.int(500, Math.max(501, deadlineMs - 50)) : 0;
    scheduler.in(this.latencyMs() + lateMs, this.wire, () => {
      if (!this.ground.answers(host)) {
        answer({ answered: false, reason: `host ${host} does not answer` }, this.chance.int(GIVEN_UP_MS.from, GIVEN_UP_MS.to));
        return;
      }
      if (this.arms.take('request-doubled', host)) {
        const again = { ...call, answer: () => undefined };
        scheduler.in(this.chance.int(1, 3_000), this.wire, () => void (this.ground.answers(host) && this.serve(again)));
      }
      this.serve(call);
    });
  }

  private serve<T>({ host, serve, answer }: Call<T>): void {
    const { life } = this.ground.box(host);
    void serve(life).then((value) => {
      // Nobody answers from a host that died or was cut off meanwhile, and an answer may be lost on its way.
      if (!life.alive || !this.ground.answers(host) || this.arms.take('answer-lost', host)) return;
      answer({ answered: true, value }, this.latencyMs());
    });
  }
}

interface Call<T> {
  readonly host: string;
  readonly deadlineMs: number;
  readonly serve: (life: Life) => Promise<T>;
  readonly answer: (value: Answer<T>, afterMs: number) => void;
}
