import type { Decider, Decision } from '@understudy/decider';
import { accept, fold, refuse } from '@understudy/decider';
import { compare } from '../comparison/compare.js';
import type { Comparison } from '../comparison/compare.js';
import { fidelity } from '../comparison/fidelity.js';
import type { DriftCommand, DriftEvent, Entry, Judging, LedgerState, Origin } from './ledger.js';
import { WAIVER_LIMIT_DAYS } from './ledger.js';
import { evolve, initial } from './evolve.js';

type Command<T extends DriftCommand['type']> = Extract<DriftCommand, { type: T }>;
const DAY_MS = 86_400_000;

/** All branches of the drift ledger. Messages heard twice, late or in another order change no outcome. */
export function decide(command: DriftCommand, state: LedgerState): Decision<DriftEvent> {
  switch (command.type) {
    case 'note-cluster':
      return oldNews(state, command.origin)
        ? accept()
        : accept({ type: 'ClusterNoted', body: { ...command.cluster, ...command.origin } });
    case 'forget-cluster':
      return forget(command, state);
    case 'receive-facts':
      return receiveFacts(command, state);
    case 'request-assessment':
      return requestAssessment(command, state);
    case 'end-expectation':
      return endExpectation(command, state);
    case 'reassess':
      return accept(...ledgerChanges(state, command));
    case 'waive':
      return waive(command, state);
    case 'withdraw-waiver':
      return withdraw(command, state);
    case 'score-fidelity':
      return scoreFidelity(command, state);
  }
}

export const driftDecider: Decider<LedgerState, DriftCommand, DriftEvent> = { initial, decide, evolve };

function oldNews(state: LedgerState, origin: Origin): boolean {
  return state.origin !== undefined && state.origin.source === origin.source && origin.position <= state.origin.position;
}

function forget(command: Command<'forget-cluster'>, state: LedgerState): Decision<DriftEvent> {
  if (state.cluster === undefined || oldNews(state, command.origin)) return accept();
  const { cluster } = state.cluster;
  const closed = Object.values(state.entries).filter((entry) => entry.state !== 'resolved');
  return accept(
    ...closed.map(({ finding }): DriftEvent => ({ type: 'FindingResolved', body: { cluster, findingId: finding.findingId } })),
    { type: 'ClusterForgotten', body: { cluster, ...command.origin } },
  );
}

function receiveFacts(command: Command<'receive-facts'>, state: LedgerState): Decision<DriftEvent> {
  if (oldNews(state, command.origin)) return accept();
  const { cluster, requestId, collected, origin } = command;
  const received: DriftEvent = { type: 'FactsReceived', body: { cluster, requestId, ...collected, ...origin } };
  return accept(received, ...judged(fold(driftDecider, [received], state), command, cluster));
}

function requestAssessment(command: Command<'request-assessment'>, state: LedgerState): Decision<DriftEvent> {
  const { request, cluster } = command;
  if (Object.hasOwn(state.answered, request.requestId) || Object.hasOwn(state.waiting, request.requestId)) return accept();
  const requested: DriftEvent = { type: 'AssessmentRequested', body: { cluster, ...request } };
  return accept(requested, ...judged(fold(driftDecider, [requested], state), command, cluster));
}

function endExpectation(command: Command<'end-expectation'>, state: LedgerState): Decision<DriftEvent> {
  if (!Object.hasOwn(state.expected, command.rolloutId)) return accept();
  const cluster = state.cluster?.cluster ?? '';
  const ended: DriftEvent = { type: 'ExpectationEnded', body: { cluster, rolloutId: command.rolloutId } };
  return accept(ended, ...ledgerChanges(fold(driftDecider, [ended], state), command));
}

/** The ledger brought up to date, then the answers to the requests whose facts have come. Never answered from older facts. */
function judged(state: LedgerState, judging: Judging, cluster: string): readonly DriftEvent[] {
  const changes = ledgerChanges(state, judging);
  const current = fold(driftDecider, changes, state);
  const ready = current.heard.filter((id) => Object.hasOwn(current.waiting, id));
  return [...changes, ...ready.map((requestId): DriftEvent => assessment(current, judging, cluster, requestId))];
}

function assessment(state: LedgerState, judging: Judging, cluster: string, requestId: string): DriftEvent {
  const entries = Object.values(state.entries);
  const open = entries.filter((entry) => entry.state === 'open').map((entry) => entry.finding);
  return {
    type: 'DriftAssessed',
    body: {
      cluster,
      requestId,
      assessedAt: new Date(judging.nowMs).toISOString(),
      blocking: open.filter((finding) => finding.severity === 'blocking'),
      warnings: open.filter((finding) => finding.severity === 'warning').length,
      waived: entries.filter((entry) => entry.state === 'waived').length,
      incomplete: comparison(state, judging)?.incomplete ?? ['the cluster is not registered, or none of its facts are known'],
    },
  };
}

/** Undefined where the cluster or its facts are not known. */
function comparison(state: LedgerState, { baselines }: Judging): Comparison | undefined {
  if (state.cluster === undefined || state.facts === undefined) return undefined;
  const items = [
    ...Object.values(state.expected),
    ...Object.values(state.waiting).map((request) => request.expectedItems),
  ].flat();
  return compare(state.cluster, state.cluster.members, state.facts, baselines, items);
}

/** What has to be written down so that the ledger says what is seen now: waivers that ended, findings that came and went. */
function ledgerChanges(state: LedgerState, judging: Judging): readonly DriftEvent[] {
  const lapsed = lapsedWaivers(state, judging.nowMs);
  const current = fold(driftDecider, lapsed, state);
  const seen = comparison(current, judging);
  return seen === undefined ? lapsed : [...lapsed, ...opened(current, seen), ...resolved(current, seen)];
}

function lapsedWaivers(state: LedgerState, nowMs: number): readonly DriftEvent[] {
  return Object.values(state.entries).flatMap((entry): readonly DriftEvent[] => {
    if (entry.waiver === undefined || Date.parse(entry.waiver.expiresAt) > nowMs) return [];
    return [waiverEnded(entry, `It expired at ${entry.waiver.expiresAt}.`)];
  });
}

function waiverEnded({ finding, state }: Entry, reason: string): DriftEvent {
  const { cluster, findingId } = finding;
  return { type: 'WaiverEnded', body: { cluster, findingId, reason, ...(state === 'waived' ? { reopens: finding } : {}) } };
}

function waiverOverrun({ cluster, findingId }: Entry['finding']): DriftEvent {
  return { type: 'WaiverEnded', body: { cluster, findingId, reason: 'The values that it accepted have changed.' } };
}

function opened(state: LedgerState, seen: Comparison): readonly DriftEvent[] {
  return seen.findings.flatMap(({ finding, mark }): readonly DriftEvent[] => {
    const entry = Object.hasOwn(state.entries, finding.findingId) ? state.entries[finding.findingId] : undefined;
    if (unchanged(entry, mark, finding)) return [];
    const waived = entry?.waiver?.mark === mark;
    const open: DriftEvent = { type: 'FindingOpened', body: { finding, mark, waived } };
    return entry?.waiver === undefined || waived ? [open] : [waiverOverrun(finding), open];
  });
}

function unchanged(entry: Entry | undefined, mark: string, finding: Entry['finding']): boolean {
  return (
    entry !== undefined &&
    entry.state !== 'resolved' &&
    entry.mark === mark &&
    JSON.stringify(entry.finding) === JSON.stringify(finding)
  );
}

function resolved(state: LedgerState, seen: Comparison): readonly DriftEvent[] {
  const still = new Set(seen.findings.map(({ finding }) => finding.findingId));
  return Object.values(state.entries).flatMap(({ finding, state: status }): readonly DriftEvent[] => {
    if (status === 'resolved' || still.has(finding.findingId) || seen.undecided(finding)) return [];
    return [{ type: 'FindingResolved', body: { cluster: finding.cluster, findingId: finding.findingId } }];
  });
}

function notFound(findingId: string): Decision<DriftEvent> {
  return refuse('not-found', {
    pointer: '',
    code: 'FINDING_NOT_FOUND',
    detail: `No finding has the id "${findingId}". Look at GET /v1/findings.`,
  });
}

function waive(command: Command<'waive'>, state: LedgerState): Decision<DriftEvent> {
  const { findingId, waiver, nowMs } = command;
  const entry = Object.hasOwn(state.entries, findingId) ? state.entries[findingId] : undefined;
  if (entry === undefined) return notFound(findingId);
  if (entry.state === 'resolved') {
    return refuse('conflict', {
      pointer: '',
      code: 'FINDING_RESOLVED',
      detail: 'The difference is gone; there is nothing left to accept.',
    });
  }
  const lastsMs = Date.parse(waiver.expiresAt) - nowMs;
  if (lastsMs <= 0) {
    return refuse('invalid', {
      pointer: '/expiresAt',
      code: 'EXPIRY_IN_PAST',
      detail: `A waiver that ends at ${waiver.expiresAt} has ended already. Give a moment in the future.`,
    });
  }
  if (lastsMs > WAIVER_LIMIT_DAYS * DAY_MS) {
    return refuse('invalid', {
      pointer: '/expiresAt',
      code: 'EXPIRY_TOO_FAR',
      detail: `A waiver lasts at most ${WAIVER_LIMIT_DAYS} days, so that somebody looks again. Give an earlier moment; it can be renewed.`,
    });
  }
  return accept({ type: 'FindingWaived', body: { cluster: entry.finding.cluster, findingId, ...waiver } });
}

function withdraw(command: Command<'withdraw-waiver'>, state: LedgerState): Decision<DriftEvent> {
  const entry = Object.hasOwn(state.entries, command.findingId) ? state.entries[command.findingId] : undefined;
  if (entry === undefined) return notFound(command.findingId);
  return entry.waiver === undefined ? accept() : accept(waiverEnded(entry, `Withdrawn by ${command.by}.`));
}

/** The lab's own ledger says how far it resembles; without facts on both sides there is no score to give. */
function scoreFidelity(command: Command<'score-fidelity'>, state: LedgerState): Decision<DriftEvent> {
  const { production, twinOf } = command;
  if (state.cluster?.twinOf !== twinOf || state.facts === undefined) return accept();
  if (production?.cluster === undefined || production.facts === undefined) return accept();
  const { score, reasons } = fidelity(
    { platform: state.cluster.platform, members: state.cluster.members.length, collected: state.facts },
    { platform: production.cluster.platform, members: production.cluster.members.length, collected: production.facts },
  );
  const scored = { twinOf, score, reasons };
  if (JSON.stringify(state.fidelity) === JSON.stringify(scored)) return accept();
  return accept({ type: 'FidelityScored', body: { cluster: state.cluster.cluster, ...scored } });
}
