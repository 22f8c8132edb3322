/**
 * Turns at deciding and appending, so many at once. Thousands of rollouts may be ready in the same moment; who waits has not decided
 * yet, so what deciding allocates is let go of while it is young.
 */
export class Turns {
  private free: number;
  /** Who has begun something goes before who has not: a look grows old, and a step that was asked for has a deadline. */
  private readonly begun = new Line();
  private readonly others = new Line();

  /** @param atOnce turns that may be taken at the same time. */
  constructor(atOnce: number) {
    this.free = atOnce;
  }

  /** Waits for a turn and works in it. Throws what the work throws. `hasBegun`: before all who have not. */
  async run<T>(hasBegun: boolean, work: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free -= 1;
    else await (hasBegun ? this.begun : this.others).wait();
    try {
      return await work();
    } finally {
      // A turn that somebody waits for is handed on; it never counts as free in between.
      const next = this.begun.next() ?? this.others.next();
      if (next === undefined) this.free += 1;
      else next();
    }
  }
}

/** First come, first served. */
class Line {
  private waiting: (() => void)[] = [];
  private served = 0;

  wait(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  next(): (() => void) | undefined {
    const next = this.waiting[this.served];
    if (next === undefined) return undefined;
    this.served += 1;
    // Those who were served are dropped together: an array gives its first elements away slowly.
    if (this.served * 2 >= this.waiting.length) {
      this.waiting = this.waiting.slice(this.served);
      this.served = 0;
    }
    return next;
  }
}
