import type { DriftEvent, StoredDriftEvent } from '@understudy/drift-domain';
import { upcast } from '@understudy/drift-domain';
import type { Projection, StoredEvent } from '@understudy/event-log';
import type { EntityManager } from 'typeorm';
import { BaselineRow, FindingRow, LedgerRow } from './entities.js';

/** Findings with their waivers, fidelity, baselines. Assessments are read from the log. */
export const findingsProjection: Projection<EntityManager> = {
  name: 'projection/findings',
  apply: (stored, tx) => apply(upcast(stored), stored, tx),
  clear: async (tx) => {
    for (const row of [FindingRow, LedgerRow, BaselineRow]) await tx.clear(row);
  },
};

async function apply(event: StoredDriftEvent, stored: StoredEvent, tx: EntityManager): Promise<void> {
  const { position, version } = stored;
  switch (event.type) {
    case 'BaselineSet':
      await tx.upsert(BaselineRow, { name: event.body.name, revision: version, baseline: event.body, position }, ['name']);
      return;
    case 'BaselineRemoved':
      await tx.delete(BaselineRow, { name: event.body.name });
      return;
    case 'ClusterNoted':
      await tx.upsert(LedgerRow, { cluster: event.body.cluster, twinOf: event.body.twinOf, fidelity: null, position }, [
        'cluster',
      ]);
      return;
    case 'ClusterForgotten':
      await tx.delete(LedgerRow, { cluster: event.body.cluster });
      return;
    case 'DriftAssessed':
      return;
    case 'FidelityScored': {
      const { cluster, ...fidelity } = event.body;
      await tx.update(LedgerRow, { cluster }, { fidelity, position });
      return;
    }
    default:
      await applyToFinding(event, stored, tx);
  }
}

type FindingEvent = Exclude<DriftEvent, { type: 'ClusterNoted' | 'ClusterForgotten' | 'DriftAssessed' | 'FidelityScored' }>;

async function applyToFinding(event: FindingEvent, { position, time }: StoredEvent, tx: EntityManager): Promise<void> {
  const changedAt = new Date(time);
  switch (event.type) {
    case 'FindingOpened': {
      const { finding, waived } = event.body;
      const before = await tx.findOneBy(FindingRow, { findingId: finding.findingId });
      const openedAt = before === null || before.state === 'resolved' ? changedAt : before.openedAt;
      const waiver = waived ? (before?.waiver ?? null) : null;
      await tx.upsert(FindingRow, { ...finding, state: waived ? 'waived' : 'open', waiver, openedAt, changedAt, position }, [
        'findingId',
      ]);
      return;
    }
    case 'FindingResolved':
      await tx.update(FindingRow, { findingId: event.body.findingId }, { state: 'resolved', changedAt, position });
      return;
    case 'FindingWaived': {
      const { findingId, owner, reason, expiresAt } = event.body;
      await tx.update(FindingRow, { findingId }, { state: 'waived', waiver: { owner, reason, expiresAt }, changedAt, position });
      return;
    }
    case 'WaiverEnded': {
      const { findingId, reopens } = event.body;
      await tx.update(
        FindingRow,
        { findingId },
        { waiver: null, changedAt, position, ...(reopens === undefined ? {} : { state: 'open' }) },
      );
      return;
    }
    case 'FactsReceived':
    case 'AssessmentRequested':
    case 'ExpectationEnded':
      return;
  }
}
