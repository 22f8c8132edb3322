import type { Asked, PatroniAct, PatroniGoal, PatroniSnapshot } from './snapshot.js';
import { apiOf, leaderOf, nodeNamed, OFF_STATES, runs, serverOf, unitOf, viewedMember } from './topology.js';

type Known = Required<Pick<PatroniGoal, 'asked' | 'done' | 'unchangedMs'>> &
  Pick<PatroniGoal, 'firstLeader' | 'fresh' | 'failingMs'>;

/** What an earlier call under the same key left in the journals of the hosts. */
export interface EarlierActs {
  /** Acts on the leader that ended well. */
  readonly done: readonly PatroniAct['act'][];
  /** Patroni was asked: on the node that led then, and with what end, as far as it was heard. */
  readonly asked: { readonly node: string; readonly outcome: Asked['outcome'] } | undefined;
  /** Every host's journal was read. */
  readonly isWhole: boolean;
}

/**
 * What one call into the driver remembers from look to look, for `nextAct`. It is lost with the call; the next one knows
 * what the hosts' journals hold: that a record was written, and that Patroni was asked, which is never asked twice.
 */
export class CallMemory {
  private readonly acts = new Map<string, { times: number; atMs: number; outcome: Asked['outcome']; said: string }>();
  private readonly done = new Set<PatroniAct['act']>();
  private firstLeader: string | undefined;
  private fresh: { readonly lsn: number; readonly atMs: number } | undefined;
  private state = '';
  private stateSinceMs = 0;
  private failingSinceMs: number | undefined;

  /**
   * @param node the node that the verb is about.
   * @param now a monotonic clock, in milliseconds.
   */
  constructor(
    private readonly node: string,
    private readonly now: () => number,
  ) {}

  get known(): Known {
    const nowMs = this.now();
    const asked = [...this.acts].map(
      ([name, { times, atMs, outcome, said }]) => [name, { times, agoMs: nowMs - atMs, outcome, said }] as const,
    );
    return {
      asked: new Map(asked),
      done: this.done,
      unchangedMs: nowMs - this.stateSinceMs,
      ...(this.failingSinceMs === undefined ? {} : { failingMs: nowMs - this.failingSinceMs }),
      ...(this.firstLeader === undefined ? {} : { firstLeader: this.firstLeader }),
      ...(this.fresh === undefined ? {} : { fresh: { lsn: this.fresh.lsn, agoMs: nowMs - this.fresh.atMs } }),
    };
  }

  performed({ act, node }: PatroniAct, outcome: Asked['outcome'], said: string): void {
    const name = `${act} ${node}`;
    this.acts.set(name, { times: (this.acts.get(name)?.times ?? 0) + 1, atMs: this.now(), outcome, said });
    if (outcome === 'ended') this.done.add(act);
  }

  /** To be told before the look that was made with it. What this call did itself counts more. */
  earlier({ done, asked }: EarlierActs): void {
    for (const act of done) this.done.add(act);
    if (asked === undefined || [...this.acts.keys()].some((name) => name.startsWith('switchover '))) return;
    this.firstLeader ??= asked.node;
    const said = 'it was asked in an earlier call';
    this.acts.set(`switchover ${asked.node}`, { times: 1, atMs: this.now(), outcome: asked.outcome, said });
  }

  seen(snapshot: PatroniSnapshot): void {
    const leader = leaderOf(snapshot);
    this.firstLeader ??= leader?.node;
    const lsn = leader && serverOf(leader)?.currentLsn;
    if (this.done.has('write-position') && typeof lsn === 'number') this.fresh ??= { lsn, atMs: this.now() };
    const state = stateOf(snapshot, this.node);
    if (state !== this.state || this.stateSinceMs === 0) this.stateSinceMs = this.now();
    this.state = state;
    this.failingSinceMs = this.failing(snapshot);
  }

  /** Patroni tries again in each loop, and says that it is starting meanwhile: only PostgreSQL that runs ends it. */
  private failing(snapshot: PatroniSnapshot): number | undefined {
    const node = nodeNamed(snapshot, this.node);
    const member = node && apiOf(node)?.member;
    if (node === undefined || member === undefined || runs(node)) return undefined;
    const fails = member.state !== 'stopped' && (OFF_STATES.has(member.state) || member.state === 'stop failed');
    return this.failingSinceMs ?? (fails ? this.now() : undefined);
  }
}

/** What a patience is counted by: as long as this stays as it is, nothing has moved. */
function stateOf(snapshot: PatroniSnapshot, name: string): string {
  const node = nodeNamed(snapshot, name);
  if (node === undefined) return '';
  const unit = unitOf(node);
  const member = apiOf(node)?.member;
  const viewed = viewedMember(snapshot, node);
  return JSON.stringify([
    unit?.activeState,
    unit?.held,
    unit?.tagged,
    member?.state,
    member?.tags.nofailover,
    viewed?.tags.nofailover,
  ]);
}
