/**
 * Virtual time. Everything that waits, waits here; nothing else moves the clock. One entry runs at a time, and the next
 * one only when all that it set going has come to wait again, so that one seed gives one history.
 */

/** Whose waiting it is. What waits for somebody dead never goes on; for somebody frozen it goes on when he wakes. */
export interface Life {
  alive: boolean;
  frozen: boolean;
  /** What came due while frozen, in order. */
  readonly parked: Entry[];
}

export interface Entry {
  readonly atMs: number;
  readonly order: number;
  readonly life: Life;
  /** Null: not wanted any more. */
  run: (() => void) | null;
}

export function newLife(): Life {
  return { alive: true, frozen: false, parked: [] };
}

export class Scheduler {
  /** Entries run so far: the clock that faults go by. */
  steps = 0;
  private readonly heap: Entry[] = [];
  private order = 0;

  /** @param drained resolves when every promise that could go on has done so. */
  constructor(
    public nowMs: number,
    private readonly drained: () => Promise<void>,
  ) {}

  in(ms: number, life: Life, run: () => void): Entry {
    const entry: Entry = { atMs: this.nowMs + Math.max(0, ms), order: this.order++, life, run };
    this.push(entry);
    return entry;
  }

  sleep(ms: number, life: Life): Promise<void> {
    return new Promise((resolve) => void this.in(ms, life, resolve));
  }

  /** A frozen life goes on: what came due meanwhile happens now, in its order. */
  wake(life: Life): void {
    life.frozen = false;
    for (const entry of life.parked.splice(0)) this.push({ ...entry, atMs: this.nowMs, order: this.order++ });
  }

  /** When the next entry is due; undefined = nothing waits. */
  get nextMs(): number | undefined {
    while (this.heap[0] !== undefined && (this.heap[0].run === null || !this.heap[0].life.alive)) this.pop();
    return this.heap[0]?.atMs;
  }

  /** Runs one entry and all that follows from it at once. False when nothing waits. */
  async step(): Promise<boolean> {
    const entry = this.pop();
    if (entry === undefined) return false;
    const { life, run } = entry;
    if (!life.alive || run === null) return true;
    this.nowMs = Math.max(this.nowMs, entry.atMs);
    if (life.frozen) {
      life.parked.push(entry);
      return true;
    }
    this.steps += 1;
    run();
    await this.drained();
    return true;
  }

  private push(entry: Entry): void {
    const { heap } = this;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(entry, heap[above] as Entry)) break;
      heap[at] = heap[above] as Entry;
      at = above;
    }
    heap[at] = entry;
  }

  private pop(): Entry | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1] as Entry, heap[below] as Entry)) below += 1;
      if (!isBefore(heap[below] as Entry, last)) break;
      heap[at] = heap[below] as Entry;
      at = below;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(left: Entry, right: Entry): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
}
