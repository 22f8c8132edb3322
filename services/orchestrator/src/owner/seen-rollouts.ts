import type { EventLog } from '@understudy/event-log';
import { seeRollout, unseenRollout, type RolloutEvent, type RolloutSeen } from '@understudy/orchestrator-domain';
import { toRolloutEvent } from '../handle.js';

/** Events of a rollout that tell its window something. */
const TELLING: readonly RolloutEvent['type'][] = [
  'RolloutPlanned',
  'PlanRevised',
  'RolloutBegun',
  'RolloutFrozen',
  'RolloutResumed',
  'RolloutClosed',
];

export function tellsWindow(type: string): boolean {
  return (TELLING as readonly string[]).includes(type);
}

type Named = { readonly id: string; readonly cluster: string };

/** The rollouts of one window as their own streams tell them. Keeps what it has read; only what has changed is read on. */
export class SeenRollouts {
  private readonly known = new Map<string, { readonly version: number; readonly seen: RolloutSeen }>();

  /** Something was appended to this rollout: it is read on at the next `read`. */
  changed(rolloutId: string): void {
    this.stale.add(rolloutId);
  }

  private readonly stale = new Set<string>();

  async read(log: EventLog, rollouts: readonly Named[]): Promise<readonly RolloutSeen[]> {
    const answers: RolloutSeen[] = [];
    for (const rollout of rollouts) answers.push(await this.one(log, rollout));
    return answers;
  }

  private async one(log: EventLog, { id, cluster }: Named): Promise<RolloutSeen> {
    const known = this.known.get(id);
    if (known !== undefined && !this.stale.delete(id)) return known.seen;
    const from = known ?? { version: 0, seen: unseenRollout(id, cluster) };
    try {
      const events = await log.readStream(`rollout/${id}`, from.version + 1);
      const seen = events.map(toRolloutEvent).reduce(seeRollout, from.seen);
      this.known.set(id, { version: events.at(-1)?.version ?? from.version, seen });
      return seen;
    } catch (error) {
      this.stale.add(id);
      throw error;
    }
  }
}
