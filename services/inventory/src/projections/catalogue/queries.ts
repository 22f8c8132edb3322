import type { NotedPatchSet } from '@understudy/inventory-domain';
import { notFound } from '@understudy/runtime';
import type { DataSource } from 'typeorm';
import { ClusterRow, DebtRow, LastLookRow, PatchSetRow } from './entities.js';

export interface ClusterFilter {
  readonly environment?: string | undefined;
  readonly platform?: string | undefined;
  readonly haLayer?: string | undefined;
  /** Default false: clusters that are registered now. */
  readonly retired?: boolean | undefined;
}

export interface DebtFilter {
  readonly cluster?: string | undefined;
  /** Default false: debts that are open. */
  readonly settled?: boolean | undefined;
}

/** What a list shows; pictures and facts are large and read one by one. */
const LISTED = ['slug', 'revision', 'retired', 'definition', 'classification'] as const;
const FLEET_LIMIT = 10_000;

/** Reads of the catalogue. Lists answer up to `limit` rows after a key, in the key's order. */
export class Catalogue {
  constructor(private readonly dataSource: DataSource) {}

  async clusters(filter: ClusterFilter, after: string | undefined, limit: number): Promise<readonly ClusterRow[]> {
    const query = this.dataSource.getRepository(ClusterRow).createQueryBuilder('cluster');
    query.select(LISTED.map((field) => `cluster.${field}`));
    query.where('cluster.retired = :retired', { retired: filter.retired ?? false });
    for (const field of ['environment', 'platform', 'haLayer'] as const) {
      const value = filter[field];
      if (value !== undefined) query.andWhere(`cluster.${field} = :${field}`, { [field]: value });
    }
    if (after !== undefined) query.andWhere('cluster.slug > :after', { after });
    return await query.orderBy('cluster.slug').limit(limit).getMany();
  }

  /** Of clusters that are registered now, in order. */
  async slugs(): Promise<readonly string[]> {
    const rows = await this.dataSource
      .getRepository(ClusterRow)
      .find({ select: { slug: true }, where: { retired: false }, order: { slug: 'ASC' }, take: FLEET_LIMIT });
    return rows.map((row) => row.slug);
  }

  /** @throws Problem 404 where nobody ever registered it. */
  async cluster(slug: string): Promise<ClusterRow> {
    const row = await this.dataSource.getRepository(ClusterRow).findOneBy({ slug });
    if (row === null) throw notFound('cluster', slug);
    return row;
  }

  /** When and how the observer last looked; null = not yet. */
  async lastLook(cluster: string): Promise<LastLookRow | null> {
    return await this.dataSource.getRepository(LastLookRow).findOneBy({ cluster });
  }

  async debts(filter: DebtFilter, after: readonly string[] | undefined, limit: number): Promise<readonly DebtRow[]> {
    const query = this.dataSource.getRepository(DebtRow).createQueryBuilder('debt');
    query.where('debt.settled = :settled', { settled: filter.settled ?? false });
    if (filter.cluster !== undefined) query.andWhere('debt.cluster = :cluster', { cluster: filter.cluster });
    if (after !== undefined) {
      const [cluster, node, patchSet] = after;
      query.andWhere('(debt.cluster, debt.node, debt.patch_set_id) > (:afterCluster, :afterNode, :afterPatchSet)', {
        afterCluster: cluster,
        afterNode: node,
        afterPatchSet: patchSet,
      });
    }
    return await query.orderBy('debt.cluster').addOrderBy('debt.node').addOrderBy('debt.patchSetId').limit(limit).getMany();
  }

  async patchSets(): Promise<readonly NotedPatchSet[]> {
    const rows = await this.dataSource.getRepository(PatchSetRow).find();
    return rows.map((row) => row.patchSet);
  }
}
