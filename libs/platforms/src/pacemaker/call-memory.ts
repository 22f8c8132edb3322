import type { Asked, PacemakerAct, PacemakerGoal, PacemakerSnapshot, Trial } from './snapshot.js';
import { activeOf, bans, memberOf, nodeNamed, offer, picture, stackOf, touchedBy } from './topology.js';

type Known = Required<Pick<PacemakerGoal, 'asked' | 'unchangedMs'>> & Pick<PacemakerGoal, 'trial'>;

/** What one call into the driver remembers from look to look, for `nextAct`. It is lost with the call. */
export class CallMemory {
  private readonly acts = new Map<string, Asked>();
  private trial: Trial | undefined;
  private state = '';
  private stateSinceMs = 0;

  /**
   * @param node the node that the verb is about.
   * @param now a monotonic clock, in milliseconds.
   */
  constructor(
    private readonly node: string,
    private readonly now: () => number,
  ) {}

  get known(): Known {
    return {
      asked: this.acts,
      unchangedMs: this.now() - this.stateSinceMs,
      ...(this.trial === undefined ? {} : { trial: this.trial }),
    };
  }

  performed({ act, node }: PacemakerAct, outcome: Asked['outcome'], said: string): void {
    const name = `${act} ${node}`;
    this.acts.set(name, { times: (this.acts.get(name)?.times ?? 0) + 1, outcome, said });
    this.stateSinceMs = this.now();
  }

  foretold(trial: Trial): void {
    this.trial = trial;
  }

  seen(snapshot: PacemakerSnapshot): void {
    const state = stateOf(snapshot, this.node);
    if (state !== this.state) this.stateSinceMs = this.now();
    this.state = state;
  }
}

/** What a patience is counted by: as long as this stays as it is, nothing has moved. */
function stateOf(snapshot: PacemakerSnapshot, name: string): string {
  const node = nodeNamed(snapshot, name);
  if (node === undefined) return '';
  const [stack, member] = [stackOf(node), memberOf(snapshot, node)];
  return JSON.stringify([
    stack?.pacemaker.activeState,
    stack?.corosync.activeState,
    member,
    bans(snapshot, node).length,
    snapshot.workloads.map((workload) => [activeOf(snapshot, workload)?.node, offer(snapshot, workload, node)]),
    (picture(snapshot)?.crm.resources ?? []).map((resource) => [...touchedBy(resource)]),
  ]);
}
