import type { ClusterSnapshot } from '@understudy/cluster';
import type { Fence, Host, JournalEntry } from '@understudy/hosts';
import type { ActReport, UnknownCause, VerbRequest, VerbResult } from './platform.js';

/** What a driver's pure `nextAct` answers for one observation. `binding`: no node serves now, stopping here would be worst. */
export type Next<A> =
  | { readonly next: 'act'; readonly act: A; readonly binding: boolean }
  /** Nothing to do but look again: something is under way. */
  | {
      readonly next: 'wait';
      readonly why: string;
      readonly binding: boolean;
      /** Somebody else was asked to act, and may still do it after this call's deadline. */
      readonly asked?: true;
    }
  | { readonly next: 'done' }
  | { readonly next: 'stuck'; readonly reason: string };

/** How one act ended. `refused`: the act itself found its precondition gone and changed nothing. */
export type ActOutcome =
  | { readonly status: 'ended'; readonly detail: string }
  | { readonly status: 'refused'; readonly detail: string }
  | { readonly status: 'unknown'; readonly detail: string }
  | { readonly status: 'fenced'; readonly seen: Fence };

/** One act as the loop sees it: a name for its key, and the host whose journal it is entered in. */
export interface NamedAct {
  readonly act: string;
  readonly host: string;
}

/** The driver's part of a verb. `S` is everything its `nextAct` needs, as one value. */
export interface VerbEngine<S, A extends NamedAct> {
  observe(deadlineMs: number): Promise<S>;
  nextAct(snapshot: S): Next<A>;
  perform(act: A, key: string, deadlineMs: number): Promise<ActOutcome>;
  summary(snapshot: S): ClusterSnapshot;
  readonly hosts: readonly Host[];
  readonly now: () => number;
  /** Milliseconds that only ever go on, whatever a clock is set to: how long something may still run is counted by it. */
  readonly monotonic: () => number;
  /** Waits between two observations when nothing is to be done. */
  readonly pause: (ms: number) => Promise<void>;
}

/** The longest a single act may take: a third of the lease term of 30 s. */
export const ACT_LIMIT_MS = 10_000;
const OBSERVE_LIMIT_MS = 5_000;
/** Less than this is no time for a look. */
const LEAST_LOOK_MS = 250;
const JOURNAL_LIMIT_MS = 3_000;
/** Journals keep whole seconds, and a killed act needs a moment to be gone. */
const CLOCK_GRAIN_MS = 2_000;
/** Between two looks while nobody serves, every millisecond counts; at any other time each look costs the hosts a process. */
const BINDING_POLL_MS = 25;
const POLL_MS = 100;
/**
 * The same act on the same host rests this long before it is performed again, doubled each time up to the limit: one
 * whose effect is not seen would otherwise be repeated as fast as the host can spawn, at the cost of everybody there.
 */
const REPEAT_REST_MS = 250;
const REPEAT_REST_LIMIT_MS = 2_000;
/** Between two looks during such a rest: the effect may show any moment. */
const REST_LOOK_MS = 100;

interface Progress {
  readonly acts: ActReport[];
  /** Highest number used, by `<host> <act name>`. */
  readonly used: Map<string, number>;
  /** Acts that were begun and have no recorded end, by key: until when (by the monotonic clock) they may still be running. */
  readonly open: Map<string, { readonly host: string; readonly untilMs: number }>;
  /** Hosts whose journal has not been read in this call. */
  readonly unread: Set<string>;
  /** Acts performed in this call, each by all that it says: how often, and until when it may not be repeated. */
  readonly performed: Map<string, { readonly times: number; readonly restsUntilMs: number }>;
  lastWhy: string;
  /** The last whole look found somebody asked who may still act. */
  asked: boolean;
}

/**
 * Observe, one act, repeat to the deadline. Calling it again with the same key goes on from reality: the numbers used
 * so far are read from the hosts' journals, and an act that was begun and has no recorded end is given its full
 * time before anything else is done. That holds for every act of the same rollout (the key's first part): an earlier
 * attempt's, or an earlier owner's, would otherwise end in the middle of this one.
 */
export async function runVerb<S, A extends NamedAct>(engine: VerbEngine<S, A>, request: VerbRequest): Promise<VerbResult> {
  const progress: Progress = {
    acts: [],
    used: new Map(),
    open: new Map(),
    unread: new Set(engine.hosts.map((host) => host.definition.slug)),
    performed: new Map(),
    lastWhy: 'nothing was observed yet',
    asked: false,
  };
  await readJournals(engine, request.key, progress, progress.unread);
  // An act that an unreachable host may have begun cannot be excluded: it gets its whole time.
  for (const host of progress.unread) progress.open.set(host, { host, untilMs: engine.monotonic() + ACT_LIMIT_MS });
  for (let looks = 0; engine.now() < request.deadlineAt; looks += 1) {
    const limitMs = Math.min(OBSERVE_LIMIT_MS, request.deadlineAt - engine.now());
    // The last look of a call is often cut off by its deadline: what it lacks would hide what was seen before.
    if (looks > 0 && limitMs < LEAST_LOOK_MS) break;
    const snapshot = await engine.observe(limitMs);
    const result = await follow(engine, request, progress, snapshot);
    if (result !== undefined) return result;
  }
  const why = `the goal was not reached by the deadline; last seen: ${progress.lastWhy}`;
  return unknown(progress.asked ? 'asked' : 'deadline', why, progress);
}

async function follow<S, A extends NamedAct>(
  engine: VerbEngine<S, A>,
  request: VerbRequest,
  progress: Progress,
  snapshot: S,
): Promise<VerbResult | undefined> {
  const next = engine.nextAct(snapshot);
  progress.asked = next.next === 'wait' && next.asked === true;
  switch (next.next) {
    case 'done':
      return { status: 'met', acts: progress.acts, snapshot: engine.summary(snapshot) };
    case 'stuck':
      return { status: 'stuck', reason: next.reason, acts: progress.acts, snapshot: engine.summary(snapshot) };
    case 'wait':
      progress.lastWhy = next.why;
      return wait(engine, request, progress, { binding: next.binding, ms: next.binding ? BINDING_POLL_MS : POLL_MS });
    case 'act': {
      const restMs = (progress.performed.get(JSON.stringify(next.act))?.restsUntilMs ?? 0) - engine.monotonic();
      if (restMs > 0) return wait(engine, request, progress, { binding: next.binding, ms: Math.min(restMs, REST_LOOK_MS) });
      return (await mustWait(engine, request.key, progress, next.act)) ? undefined : act(engine, request, progress, next);
    }
  }
}

async function wait<S, A extends NamedAct>(
  engine: VerbEngine<S, A>,
  request: VerbRequest,
  progress: Progress,
  { binding, ms }: { readonly binding: boolean; readonly ms: number },
): Promise<VerbResult | undefined> {
  if (!request.mayGoOn({ act: 'wait', binding })) return unknown('frozen', `frozen while: ${progress.lastWhy}`, progress);
  await engine.pause(ms);
  return undefined;
}

/** True while an act of this rollout may still be running somewhere, or the journal of the act's host is unread. */
async function mustWait<S, A extends NamedAct>(
  engine: VerbEngine<S, A>,
  key: string,
  progress: Progress,
  next: A,
): Promise<boolean> {
  const open = [...progress.open].filter(([, { untilMs }]) => untilMs > engine.monotonic());
  if (open.length === 0 && !progress.unread.has(next.host)) return false;
  progress.lastWhy =
    open.length > 0
      ? `begun, with no recorded end: ${open.map(([name]) => name).join(', ')}`
      : `the journal of ${next.host} is unread`;
  await engine.pause(POLL_MS);
  await readJournals(engine, key, progress, new Set([next.host, ...open.map(([, { host }]) => host)]));
  return true;
}

async function act<S, A extends NamedAct>(
  engine: VerbEngine<S, A>,
  request: VerbRequest,
  progress: Progress,
  next: { readonly act: A; readonly binding: boolean },
): Promise<VerbResult | undefined> {
  const { act: name, host } = next.act;
  if (!request.mayGoOn({ act: name, binding: next.binding })) return unknown('frozen', `frozen before ${name}`, progress);
  const number = (progress.used.get(`${host} ${name}`) ?? 0) + 1;
  progress.used.set(`${host} ${name}`, number);
  const key = `${request.key}/${name}/${number}`;
  const begunAtMs = engine.monotonic();
  const outcome = await engine.perform(next.act, key, Math.min(ACT_LIMIT_MS, Math.max(1, request.deadlineAt - engine.now())));
  if (outcome.status === 'fenced') return unknown('fenced', fencedReason(host, outcome.seen), progress);
  // Counted from now: an answer that did not come in time says nothing about when the host began.
  if (outcome.status === 'unknown') progress.open.set(key, { host, untilMs: engine.monotonic() + ACT_LIMIT_MS });
  rest(progress, next.act, engine.monotonic());
  progress.lastWhy = `${name} on ${host}: ${outcome.detail}`;
  const report = { act: name, host, tookMs: Math.round(engine.monotonic() - begunAtMs), detail: outcome.detail };
  progress.acts.push(report);
  request.onAct(report);
  if (outcome.status !== 'ended') await engine.pause(BINDING_POLL_MS);
  return undefined;
}

function rest(progress: Progress, performed: NamedAct, nowMs: number): void {
  const what = JSON.stringify(performed);
  const times = (progress.performed.get(what)?.times ?? 0) + 1;
  const restMs = Math.min(REPEAT_REST_MS * 2 ** (times - 1), REPEAT_REST_LIMIT_MS);
  progress.performed.set(what, { times, restsUntilMs: nowMs + restMs });
}

function fencedReason(host: string, seen: Fence): string {
  return `host ${host} has seen epoch ${seen.epoch} of log ${seen.logId}: another orchestrator owns this rollout now`;
}

/** Reads the numbers used so far and the acts without an end, on these hosts. A host that does not answer stays unread. */
async function readJournals<S, A extends NamedAct>(
  engine: VerbEngine<S, A>,
  key: string,
  progress: Progress,
  slugs: ReadonlySet<string>,
): Promise<void> {
  const hosts = engine.hosts.filter((host) => slugs.has(host.definition.slug));
  const rollout = `${key.split('/', 1)[0] as string}/`;
  await Promise.all(
    hosts.map(async ({ definition, journal }) => {
      const read = await journal.entries(rollout, JOURNAL_LIMIT_MS);
      if (read.status === 'unknown') return;
      progress.unread.delete(definition.slug);
      progress.open.delete(definition.slug);
      for (const entry of read.entries.filter((candidate) => candidate.key.startsWith(`${key}/`)))
        count(entry, definition.slug, key, progress);
      const reachedMs = reachedBy(read.entries);
      for (const entry of read.entries) note(entry, definition.slug, reachedMs, progress, engine.monotonic());
    }),
  );
}

function count(entry: JournalEntry, host: string, key: string, progress: Progress): void {
  const [name, number] = entry.key.slice(key.length + 1).split('/');
  if (name === undefined || number === undefined) return;
  const used = `${host} ${name}`;
  progress.used.set(used, Math.max(progress.used.get(used) ?? 0, Number(number)));
}

/** The latest time that the host's own clock is known to have reached. */
function reachedBy(entries: readonly JournalEntry[]): number {
  return Math.max(0, ...entries.flatMap(({ begunAt, ended }) => [Date.parse(begunAt), Date.parse(ended?.at ?? begunAt)]));
}

/**
 * Clocks of hosts are not compared with ours: an act without an end gets its whole time from when it was first seen,
 * unless a later entry of the same host shows that this time is over.
 */
function note(entry: JournalEntry, host: string, reachedMs: number, progress: Progress, nowMs: number): void {
  const isOver = entry.ended !== undefined || reachedMs - Date.parse(entry.begunAt) > ACT_LIMIT_MS + CLOCK_GRAIN_MS;
  if (isOver) progress.open.delete(entry.key);
  else if (!progress.open.has(entry.key)) progress.open.set(entry.key, { host, untilMs: nowMs + ACT_LIMIT_MS });
}

function unknown(cause: UnknownCause, reason: string, progress: Progress): VerbResult {
  return { status: 'unknown', cause, reason, acts: progress.acts };
}
