import type { Baseline, FidelityScore } from '@understudy/drift-domain';
import { notFound } from '@understudy/runtime';
import type { DataSource } from 'typeorm';
import { BaselineRow, FindingRow, LedgerRow } from './entities.js';

export interface FindingFilter {
  readonly cluster?: string | undefined;
  readonly node?: string | undefined;
  readonly severity?: string | undefined;
  readonly state?: string | undefined;
}

const FLEET_LIMIT = 10_000;
const BASELINES_LIMIT = 1_000;

/** Reads of the ledgers. Lists answer up to `limit` rows after a key, in the key's order. */
export class Findings {
  constructor(private readonly dataSource: DataSource) {}

  async findings(filter: FindingFilter, after: readonly string[] | undefined, limit: number): Promise<readonly FindingRow[]> {
    const query = this.dataSource.getRepository(FindingRow).createQueryBuilder('finding');
    query.where('finding.state = :state', { state: filter.state ?? 'open' });
    for (const field of ['cluster', 'node', 'severity'] as const) {
      const value = filter[field];
      if (value !== undefined) query.andWhere(`finding.${field} = :${field}`, { [field]: value });
    }
    if (after !== undefined) {
      query.andWhere('(finding.cluster, finding.finding_id) > (:afterCluster, :afterId)', {
        afterCluster: after[0],
        afterId: after[1],
      });
    }
    return await query.orderBy('finding.cluster').addOrderBy('finding.findingId').limit(limit).getMany();
  }

  /** @throws Problem 404. */
  async finding(findingId: string): Promise<FindingRow> {
    const row = await this.dataSource.getRepository(FindingRow).findOneBy({ findingId });
    if (row === null) throw notFound('finding', findingId);
    return row;
  }

  /** A lab's score; null = there is none. */
  async fidelity(cluster: string): Promise<FidelityScore | null> {
    const row = await this.dataSource.getRepository(LedgerRow).findOneBy({ cluster });
    return row?.fidelity ?? null;
  }

  async labsOf(production: string): Promise<readonly string[]> {
    const rows = await this.dataSource.getRepository(LedgerRow).findBy({ twinOf: production });
    return rows.map((row) => row.cluster);
  }

  async clusters(): Promise<readonly string[]> {
    const rows = await this.dataSource.getRepository(LedgerRow).find({ order: { cluster: 'ASC' }, take: FLEET_LIMIT });
    return rows.map((row) => row.cluster);
  }

  async baselines(after?: string, limit: number = BASELINES_LIMIT): Promise<readonly BaselineRow[]> {
    const query = this.dataSource.getRepository(BaselineRow).createQueryBuilder('baseline');
    if (after !== undefined) query.where('baseline.name > :after', { after });
    return await query.orderBy('baseline.name').limit(limit).getMany();
  }

  async allBaselines(): Promise<readonly Baseline[]> {
    return (await this.baselines()).map((row) => row.baseline);
  }

  /** @throws Problem 404. */
  async baseline(name: string): Promise<BaselineRow> {
    const row = await this.dataSource.getRepository(BaselineRow).findOneBy({ name });
    if (row === null) throw notFound('baseline', name);
    return row;
  }
}
