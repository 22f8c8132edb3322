/**
 * What has to be undone when the demo ends, however it ends. Undone in reverse order, each step bounded; a step that
 * fails does not keep the others from running.
 */
export class Cleanup {
  private readonly steps: { readonly what: string; readonly undo: () => Promise<void> }[] = [];
  private running: Promise<readonly string[]> | undefined;

  defer(what: string, undo: () => Promise<void>): void {
    this.steps.push({ what, undo });
  }

  /** Runs every step once, however often it is called. Answers what could not be undone, in sentences. */
  run(stepLimitMs: number): Promise<readonly string[]> {
    this.running ??= this.runAll(stepLimitMs);
    return this.running;
  }

  private async runAll(stepLimitMs: number): Promise<readonly string[]> {
    const failures: string[] = [];
    for (let step = this.steps.pop(); step !== undefined; step = this.steps.pop()) {
      const failure = await bounded(step.undo, stepLimitMs);
      if (failure !== undefined) failures.push(`${step.what}: ${failure}`);
    }
    return failures;
  }
}

async function bounded(undo: () => Promise<void>, limitMs: number): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`took longer than ${limitMs} ms`), limitMs);
  });
  const done = undo().then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  const result = await Promise.race([done, late]);
  clearTimeout(timer);
  return result;
}
