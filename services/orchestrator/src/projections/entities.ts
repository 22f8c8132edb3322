import { Column, Entity, PrimaryColumn } from 'typeorm';

/** bigint columns arrive as text; positions stay below 2^53. */
const position = { to: (value: number): number => value, from: (value: string): number => Number(value) };

/** What inventory says of a cluster, kept by the position of its message: an older one never overwrites a newer. */
@Entity({ name: 'cluster_directory' })
export class ClusterDirectoryRow {
  @PrimaryColumn('text') slug: string;
  @Column('json') definition: object;
  @Column('boolean') retired: boolean;
  @Column('text') source: string;
  @Column('bigint', { name: 'source_position', transformer: position }) sourcePosition: number;
}

@Entity({ name: 'window_view' })
export class WindowRow {
  @PrimaryColumn('uuid', { name: 'window_id' }) windowId: string;
  @Column('integer') version: number;
  @Column('bigint', { transformer: position }) position: number;
  @Column('text') status: string;
  @Column('text') kind: string;
  @Column('text', { array: true }) clusters: string[];
  @Column('uuid', { array: true }) rollouts: string[];
  @Column('uuid', { name: 'patch_set_id' }) patchSetId: string;
  @Column('text') playbook: string;
  @Column('timestamptz', { name: 'opens_at' }) opensAt: Date;
  @Column('timestamptz', { name: 'closes_at' }) closesAt: Date;
  @Column('text', { name: 'scheduled_by' }) scheduledBy: string;
  @Column('text', { name: 'approved_by', nullable: true }) approvedBy: string | null;
}

@Entity({ name: 'rollout_view' })
export class RolloutRow {
  @PrimaryColumn('uuid', { name: 'rollout_id' }) rolloutId: string;
  @Column('integer') version: number;
  @Column('bigint', { transformer: position }) position: number;
  @Column('uuid', { name: 'window_id' }) windowId: string;
  @Column('text') cluster: string;
  @Column('text') kind: string;
  @Column('text') status: string;
  @Column('text', { nullable: true }) result: string | null;
  @Column('text', { nullable: true }) step: string | null;
  @Column('text') fingerprint: string;
  @Column('timestamptz', { name: 'planned_at' }) plannedAt: Date;
  @Column('timestamptz', { name: 'closed_at', nullable: true }) closedAt: Date | null;
  @Column('double precision', { name: 'longest_interruption_ms', nullable: true }) longestInterruptionMs: number | null;
}

/** Playbooks and patch sets by name, newest version: for lists; the truth is their streams. */
@Entity({ name: 'named_document' })
export class NamedDocumentRow {
  @PrimaryColumn('text') kind: string;
  @PrimaryColumn('text') name: string;
  @Column('integer') version: number;
  @Column('bigint', { transformer: position }) position: number;
  @Column('json') document: object;
}

export const entities = [ClusterDirectoryRow, WindowRow, RolloutRow, NamedDocumentRow];
