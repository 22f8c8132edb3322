import { inTime } from './waiting.js';

const STEP_LIMIT_MS = 45_000;

/** What has to be undone, in reverse order; a step that fails does not keep the others from running. */
export class Undo {
  private readonly steps: { readonly what: string; readonly undo: () => Promise<void> | void }[] = [];

  defer(what: string, undo: () => Promise<void> | void): void {
    this.steps.push({ what, undo });
  }

  /** Runs and forgets every step. Answers what could not be undone, in sentences. */
  async run(): Promise<readonly string[]> {
    const failures: string[] = [];
    for (let step = this.steps.pop(); step !== undefined; step = this.steps.pop()) {
      const { what, undo } = step;
      await inTime(`${what} to be undone`, STEP_LIMIT_MS, Promise.resolve().then(undo)).catch((error: unknown) =>
        failures.push(`${what}: ${String(error)}`),
      );
    }
    return failures;
  }
}
