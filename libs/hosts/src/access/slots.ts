interface Waiting {
  readonly grant: () => void;
}

/** A bounded number of places, handed out in the order of asking. */
export class Slots {
  private free: number;
  private readonly queue: Waiting[] = [];

  constructor(count: number) {
    this.free = count;
  }

  /** True when a place was got within `waitMs`; whoever got one gives it back. */
  take(waitMs: number): Promise<boolean> {
    if (this.free > 0) {
      this.free -= 1;
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const waiting: Waiting = {
        grant: () => {
          clearTimeout(timer);
          resolve(true);
        },
      };
      const timer = setTimeout(() => {
        this.queue.splice(this.queue.indexOf(waiting), 1);
        resolve(false);
      }, waitMs);
      this.queue.push(waiting);
    });
  }

  giveBack(): void {
    const next = this.queue.shift();
    if (next) next.grant();
    else this.free += 1;
  }
}
