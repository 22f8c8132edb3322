import type { drift } from '@understudy/contracts';
import { Drift } from '@understudy/drift';
import { Inventory } from '@understudy/inventory';
import { Notification } from '@understudy/notification';
import { driftSeen, type Peers } from '@understudy/orchestrator';

/** What a Nest application offers of itself; its instances exist only after the boot. */
interface Application {
  get<T>(type: abstract new (...args: never[]) => T): T;
}

/**
 * The orchestrator's second look at a fact that opens a gate, in one process: the owner's own use case. Before the boot has
 * ended nobody answers, which keeps a gate closed and is asked again.
 */
export class PeersHere implements Peers {
  private application: Application | undefined;

  meet(application: Application): void {
    this.application = application;
  }

  async haLayer(cluster: string): ReturnType<Peers['haLayer']> {
    return (await this.application?.get(Inventory).states.haLayer(cluster)) ?? null;
  }

  async driftAssessment(cluster: string, requestId: string): ReturnType<Peers['driftAssessment']> {
    const found = await this.application?.get(Drift).ledgers.assessment(cluster, requestId);
    // The stored answer has the names of the published one, and more in its findings.
    return found ? driftSeen(found as unknown as drift.DriftAssessedJson) : null;
  }

  async change(windowId: string): ReturnType<Peers['change']> {
    return (await this.application?.get(Notification).tickets.latestOf(windowId)) ?? null;
  }
}
