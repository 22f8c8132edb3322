import type { Projection, StoredEvent } from '@understudy/event-log';
import type { RolloutEvent } from '@understudy/orchestrator-domain';
import type { DataSource, EntityManager } from 'typeorm';
import { toRolloutEvent } from '../../handle.js';
import { RolloutRow } from '../entities.js';

/** One row per rollout, for lists and for finding the unfinished ones. */
export const rolloutsProjection: Projection<EntityManager> = {
  name: 'projection/rollouts',
  apply: async (stored, manager) => {
    if (!stored.stream.startsWith('rollout/')) return;
    const rows = manager.getRepository(RolloutRow);
    const rolloutId = stored.stream.slice('rollout/'.length);
    const event = toRolloutEvent(stored);
    const at = { version: stored.version, position: stored.position };
    if (event.type === 'RolloutPlanned') await rows.insert({ rolloutId, ...at, ...planned(event.data, stored) });
    else await rows.update({ rolloutId }, { ...at, ...change(event, stored) });
  },
  clear: async (manager) => {
    await manager.getRepository(RolloutRow).clear();
  },
};

type Planned = Extract<RolloutEvent, { type: 'RolloutPlanned' }>['data'];

function planned(data: Planned, stored: StoredEvent): Omit<RolloutRow, 'rolloutId' | 'version' | 'position'> {
  return {
    windowId: data.windowId,
    cluster: data.cluster.slug,
    kind: data.kind,
    status: 'planned',
    result: null,
    step: null,
    fingerprint: data.topologyFingerprint,
    plannedAt: new Date(stored.time),
    closedAt: null,
    longestInterruptionMs: null,
  };
}

function change(event: RolloutEvent, stored: StoredEvent): Partial<RolloutRow> {
  switch (event.type) {
    case 'RolloutAdmitted':
      return { status: 'running' };
    case 'RolloutResumed':
      return { status: event.data.as ?? 'running' };
    case 'PlanRevised':
      return { fingerprint: event.data.topologyFingerprint, ...(event.data.recovery ? { status: 'recovering' } : {}) };
    case 'StepRequested':
      return { step: event.data.stepId };
    case 'RolloutHeld':
      return { status: 'held' };
    case 'RolloutFrozen':
      return { status: 'frozen' };
    case 'RolloutClosed':
      return {
        status: 'closed',
        result: event.data.result,
        closedAt: new Date(stored.time),
        longestInterruptionMs: event.data.interruption.measured ? event.data.interruption.longestMs : null,
      };
    default:
      return {};
  }
}

/** Queries over the rows. They lag the log by milliseconds; what must be exact is folded from the log. */
export class Rollouts {
  constructor(private readonly dataSource: DataSource) {}

  async unfinished(): Promise<readonly string[]> {
    const rows = await this.dataSource
      .getRepository(RolloutRow)
      .createQueryBuilder('rollout')
      .where(`rollout.status <> 'closed'`)
      .orderBy('rollout.position')
      .getMany();
    return rows.map((row) => row.rolloutId);
  }

  /** Newest first; at most `limit`. */
  async ofCluster(cluster: string, limit: number): Promise<readonly RolloutRow[]> {
    return this.dataSource.getRepository(RolloutRow).find({ where: { cluster }, order: { plannedAt: 'DESC' }, take: limit });
  }

  /** Rehearsals on the lab twins of a production cluster, newest first, with the twin's fidelity from 0 to 1. */
  async rehearsalsFor(
    cluster: string,
    limit: number,
  ): Promise<readonly { readonly rolloutId: string; readonly fidelity: number }[]> {
    const rows = await this.dataSource.query<{ rolloutId: string; score: number }[]>(
      `select r.rollout_id as "rolloutId", f.score from rollout_view r join twin_fidelity f on f.cluster = r.cluster
       where f.twin_of = $1 and r.kind = 'rehearsal' and r.status = 'closed' order by r.planned_at desc limit $2`,
      [cluster, limit],
    );
    return rows.map((row) => ({ rolloutId: row.rolloutId, fidelity: row.score / 100 }));
  }

  /** In the order they were planned, oldest first; ids are ordered by time only within one window, so `plannedAt` leads. */
  async page(
    filter: RolloutFilter,
    after: readonly (string | number)[] | undefined,
    limit: number,
  ): Promise<readonly RolloutRow[]> {
    const query = this.dataSource.getRepository(RolloutRow).createQueryBuilder('rollout');
    query.orderBy('rollout.plannedAt').addOrderBy('rollout.rolloutId').take(limit);
    if (after) query.andWhere('(rollout.planned_at, rollout.rollout_id) > (:at, :id)', { at: after[0], id: after[1] });
    if (filter.windowId !== undefined) query.andWhere('rollout.window_id = :windowId', { windowId: filter.windowId });
    if (filter.cluster !== undefined) query.andWhere('rollout.cluster = :cluster', { cluster: filter.cluster });
    if (filter.status !== undefined) query.andWhere('rollout.status = :status', { status: filter.status });
    return query.getMany();
  }
}

export interface RolloutFilter {
  readonly windowId?: string;
  readonly cluster?: string;
  readonly status?: string;
}
