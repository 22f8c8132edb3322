import type { ClusterDefinition, ClusterSnapshot } from '@understudy/cluster';
import type { Classification, FactsCollected, NotedPatchSet } from '@understudy/inventory-domain';
import { Column, Entity, PrimaryColumn } from 'typeorm';

/** bigint columns arrive as text; positions stay below 2^53. */
const position = { to: (value: number): number => value, from: (value: string): number => Number(value) };

@Entity({ name: 'cluster_view' })
export class ClusterRow {
  @PrimaryColumn('text') slug: string;
  @Column('integer') revision: number;
  @Column('boolean') retired: boolean;
  @Column('text') platform: string;
  @Column('text') environment: string;
  @Column('text', { name: 'twin_of', nullable: true }) twinOf: string | null;
  @Column('text', { name: 'ha_layer', nullable: true }) haLayer: string | null;
  @Column('json') definition: ClusterDefinition;
  @Column('json', { nullable: true }) classification: Classification | null;
  @Column('json', { nullable: true }) snapshot: ClusterSnapshot | null;
  @Column('json', { nullable: true }) facts: FactsCollected | null;
  @Column('timestamptz', { name: 'registered_at' }) registeredAt: Date;
  @Column('timestamptz', { name: 'changed_at' }) changedAt: Date;
  @Column('bigint', { transformer: position }) position: number;
}

@Entity({ name: 'debt_view' })
export class DebtRow {
  @PrimaryColumn('text') cluster: string;
  @PrimaryColumn('text') node: string;
  @PrimaryColumn('text', { name: 'patch_set_id' }) patchSetId: string;
  @Column('text', { array: true }) advisories: string[];
  @Column('timestamptz', { name: 'available_since' }) availableSince: Date;
  @Column('integer') days: number;
  @Column('boolean') settled: boolean;
  @Column('bigint', { transformer: position }) position: number;
}

@Entity({ name: 'patch_set_view' })
export class PatchSetRow {
  @PrimaryColumn('text', { name: 'patch_set_id' }) patchSetId: string;
  @Column('json', { name: 'patch_set' }) patchSet: NotedPatchSet;
  @Column('bigint', { transformer: position }) position: number;
}

/** Work queue: facts that were asked for and are not collected yet. */
@Entity({ name: 'facts_request' })
export class FactsRequestRow {
  @PrimaryColumn('text', { name: 'request_id' }) requestId: string;
  @Column('text') cluster: string;
  @Column('timestamptz') deadline: Date;
  @Column('text', { nullable: true }) traceparent: string | null;
}

/** Not a read model: what the observer notes at every look. */
@Entity({ name: 'last_look' })
export class LastLookRow {
  @PrimaryColumn('text') cluster: string;
  @Column('timestamptz', { name: 'looked_at' }) lookedAt: Date;
  @Column('boolean') complete: boolean;
  @Column('text', { nullable: true }) problem: string | null;
}

export const entities = [ClusterRow, DebtRow, PatchSetRow, FactsRequestRow, LastLookRow];
