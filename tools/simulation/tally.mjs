/** What a run of windows came to: counts, the table at its end, and whether it was good. */

const PROGRESS_EVERY_MS = 5_000;
/** Below so many windows a rare thing that did not happen says nothing. */
const ENOUGH_WINDOWS = 1_000;
const LEAST_FAULTS_PER_WINDOW = 10;

export class Tally {
  done = 0;
  steps = 0;
  events = 0;
  faults = new Map();
  saw = new Map();
  results = new Map();
  errors = [];
  failedSeeds = [];
  startedMs = performance.now();
  shownMs = this.startedMs;

  constructor({ windows, classes, goals }) {
    Object.assign(this, { windows, classes, goals });
  }

  add({ seed, result, error }) {
    this.done += 1;
    if (error !== undefined) this.errors.push({ seed, error });
    else {
      this.steps += result.steps;
      this.events += result.events;
      count(this.faults, result.faults);
      count(this.saw, result.saw);
      for (const each of result.results) count(this.results, { [each]: 1 });
      if (result.breaches.length > 0) this.fail(seed, result.breaches[0]);
    }
    this.progress();
  }

  fail(seed, { invariant, detail }) {
    this.failedSeeds.push(seed);
    console.log(`  seed ${seed} fails: ${invariant}: ${detail}`);
  }

  progress() {
    const nowMs = performance.now();
    if (nowMs - this.shownMs < PROGRESS_EVERY_MS) return;
    this.shownMs = nowMs;
    console.log(
      `  ${this.done} of ${this.windows} windows, ${this.faultCount} faults, ${this.failedSeeds.length} failed, ${this.seconds} s`,
    );
  }

  get seconds() {
    return ((performance.now() - this.startedMs) / 1_000).toFixed(1);
  }

  get faultCount() {
    return sum(this.faults);
  }

  get isJudged() {
    return this.done >= ENOUGH_WINDOWS;
  }

  get missingClasses() {
    return this.isJudged ? this.classes.filter((name) => !this.faults.has(name)) : [];
  }

  get missedGoals() {
    if (!this.isJudged) return [];
    return this.goals.filter(({ saw, least }) => (this.saw.get(saw) ?? 0) < Math.max(1, Math.floor((least * this.done) / 2_000)));
  }

  get hasEnoughFaults() {
    return !this.isJudged || this.faultCount >= LEAST_FAULTS_PER_WINDOW * this.done;
  }

  get isGood() {
    const broken = this.errors.length + this.failedSeeds.length + this.missingClasses.length + this.missedGoals.length;
    return broken === 0 && this.hasEnoughFaults;
  }

  print() {
    console.log(`\nfaults that changed something, ${this.faultCount} in all`);
    for (const name of this.classes) console.log(line(this.faults.get(name) ?? 0, name));
    console.log('\nrare situations');
    for (const { saw, what } of this.goals) console.log(line(this.saw.get(saw) ?? 0, what));
    console.log('\nresults');
    for (const [name, number] of [...this.results].sort((left, right) => right[1] - left[1])) console.log(line(number, name));
    console.log('');
    if (this.missingClasses.length > 0) console.log(`never struck: ${this.missingClasses.join(', ')}`);
    for (const { what, least } of this.missedGoals) console.log(`too rare: ${what} (at least ${least} in 2000 windows)`);
    if (!this.hasEnoughFaults) console.log(`too few faults: at least ${LEAST_FAULTS_PER_WINDOW} per window`);
    for (const { seed, error } of this.errors.slice(0, 5)) console.log(`seed ${seed} came to no end: ${error}`);
  }

  get closingLine() {
    const seeds = this.failedSeeds.length === 0 ? '' : ` (seeds ${this.failedSeeds.slice(0, 10).join(', ')})`;
    return (
      `simulation: ${this.done} windows, ${this.faultCount} faults, ${this.steps} steps, ${this.events} events, ` +
      `${this.failedSeeds.length + this.errors.length} failed${seeds}, ${this.seconds} s`
    );
  }
}

function count(into, from) {
  for (const [name, number] of Object.entries(from)) into.set(name, (into.get(name) ?? 0) + number);
}

function sum(map) {
  return [...map.values()].reduce((total, each) => total + each, 0);
}

function line(number, what) {
  return `${String(number).padStart(8)}  ${what}`;
}
