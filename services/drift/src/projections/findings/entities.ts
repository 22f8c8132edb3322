import type { Baseline, FidelityScore, Waiver } from '@understudy/drift-domain';
import { Column, Entity, PrimaryColumn } from 'typeorm';

/** bigint columns arrive as text; positions stay below 2^53. */
const position = { to: (value: number): number => value, from: (value: string): number => Number(value) };

@Entity({ name: 'finding_view' })
export class FindingRow {
  @PrimaryColumn('text', { name: 'finding_id' }) findingId: string;
  @Column('text') cluster: string;
  @Column('text') node: string;
  @Column('text') against: string;
  @Column('text') area: string;
  @Column('text') name: string;
  @Column('text') value: string;
  @Column('text') expected: string;
  @Column('text') severity: string;
  @Column('text') detail: string;
  @Column('text') state: 'open' | 'waived' | 'resolved';
  @Column('json', { nullable: true }) waiver: Waiver | null;
  @Column('timestamptz', { name: 'opened_at' }) openedAt: Date;
  @Column('timestamptz', { name: 'changed_at' }) changedAt: Date;
  @Column('bigint', { transformer: position }) position: number;
}

@Entity({ name: 'ledger_view' })
export class LedgerRow {
  @PrimaryColumn('text') cluster: string;
  @Column('text', { name: 'twin_of' }) twinOf: string;
  @Column('json', { nullable: true }) fidelity: FidelityScore | null;
  @Column('bigint', { transformer: position }) position: number;
}

@Entity({ name: 'baseline_view' })
export class BaselineRow {
  @PrimaryColumn('text') name: string;
  @Column('integer') revision: number;
  @Column('json') baseline: Baseline;
  @Column('bigint', { transformer: position }) position: number;
}

export const entities = [FindingRow, LedgerRow, BaselineRow];
