import { activeTraceparent, type Store } from '@understudy/event-log';
import type { ClusterEvent } from '@understudy/inventory-domain';
import type { DataSource } from 'typeorm';
import { UNANSWERED_STREAM, clusterCodec, ownMetadata } from '../handle.js';
import { FactsRequestRow } from '../projections/catalogue/entities.js';

const OPEN_LIMIT = 100;

/** Facts that were asked for: written by the handler of the message, worked off by the observer, kept over a restart. */
export class FactsQueue {
  constructor(private readonly dataSource: DataSource) {}

  /** Heard twice, it is one question. */
  async add(request: { readonly requestId: string; readonly cluster: string; readonly deadline: Date }): Promise<void> {
    const row = { ...request, traceparent: activeTraceparent() ?? null };
    await this.dataSource.getRepository(FactsRequestRow).createQueryBuilder().insert().values(row).orIgnore().execute();
  }

  async open(): Promise<readonly FactsRequestRow[]> {
    return await this.dataSource.getRepository(FactsRequestRow).find({ take: OPEN_LIMIT, order: { deadline: 'ASC' } });
  }

  async close(requestId: string): Promise<void> {
    await this.dataSource.getRepository(FactsRequestRow).delete({ requestId });
  }

  /** The answer that nothing is known: no nodes, no facts. Answered once; a conflict means that it was. */
  async answerUnknown(store: Store, requestId: string, cluster: string): Promise<void> {
    const event: ClusterEvent = { type: 'FactsCollected', body: { cluster, requestId, nodes: [], activeNode: '' } };
    const stream = `${UNANSWERED_STREAM}${requestId}`;
    await store.log.append({
      streams: [{ stream, expectedVersion: 0, events: [clusterCodec.encode(event)] }],
      metadata: ownMetadata('observer'),
    });
  }
}
