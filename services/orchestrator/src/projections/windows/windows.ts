import type { Projection } from '@understudy/event-log';
import type { WindowEvent } from '@understudy/orchestrator-domain';
import type { DataSource, EntityManager } from 'typeorm';
import { WindowRow } from '../entities.js';

/** One row per window, for lists and for finding the unfinished ones. */
export const windowsProjection: Projection<EntityManager> = {
  name: 'projection/windows',
  apply: async (stored, manager) => {
    if (!stored.stream.startsWith('window/')) return;
    const rows = manager.getRepository(WindowRow);
    const windowId = stored.stream.slice('window/'.length);
    const event = { type: stored.type, data: stored.body } as WindowEvent;
    const at = { version: stored.version, position: stored.position };
    if (event.type === 'WindowScheduled') await rows.insert({ windowId, ...at, ...scheduled(event.data) });
    else await rows.update({ windowId }, { ...at, ...change(event) });
  },
  clear: async (manager) => {
    await manager.getRepository(WindowRow).clear();
  },
};

type Scheduled = Extract<WindowEvent, { type: 'WindowScheduled' }>['data'];

function scheduled(data: Scheduled): Omit<WindowRow, 'windowId' | 'version' | 'position'> {
  return {
    status: 'scheduled',
    kind: data.kind,
    clusters: [...data.clusters],
    rollouts: data.rollouts.map((rollout) => rollout.id),
    patchSetId: data.patchSetId,
    playbook: `${data.playbook.name}@${data.playbook.version}`,
    opensAt: new Date(data.opensAt),
    closesAt: new Date(data.closesAt),
    scheduledBy: data.scheduledBy,
    approvedBy: null,
  };
}

function change(event: Exclude<WindowEvent, { type: 'WindowScheduled' }>): Partial<WindowRow> {
  switch (event.type) {
    case 'WindowApproved':
      return { approvedBy: event.data.by };
    case 'WindowRejected':
      return { status: 'rejected' };
    case 'WindowOpened':
      return { status: 'open' };
    case 'WindowHeld':
      return { status: 'held' };
    case 'WindowResumed':
      return { status: event.data.as };
    case 'WindowFrozen':
      return { status: 'frozen' };
    case 'WindowAborted':
      return { status: 'aborting' };
    case 'WindowCancelled':
      return { status: 'cancelled' };
    case 'WindowClosed':
      return { status: 'closed' };
    case 'WaveBegun':
    case 'RolloutsBegun':
    case 'RolloutsGivenUp':
    case 'WaveEnded':
      return {};
  }
}

export interface WindowFilter {
  readonly status?: string;
}

/** Queries over the rows. */
export class WindowList {
  constructor(private readonly dataSource: DataSource) {}

  /** Windows that may still need something: not ended, or ended with a rollout that has not. */
  async unfinished(): Promise<readonly string[]> {
    const rows = await this.dataSource
      .getRepository(WindowRow)
      .createQueryBuilder('slot')
      .where(`slot.status in ('scheduled', 'open', 'held', 'frozen', 'aborting')`)
      .orWhere(`exists (select from rollout_view r where r.window_id = slot.window_id and r.status <> 'closed')`)
      .orderBy('slot.opensAt')
      .getMany();
    return rows.map((row) => row.windowId);
  }

  /** By opening time, then id. */
  async page(
    filter: WindowFilter,
    after: readonly (string | number)[] | undefined,
    limit: number,
  ): Promise<readonly WindowRow[]> {
    const query = this.dataSource.getRepository(WindowRow).createQueryBuilder('slot');
    query.orderBy('slot.opensAt').addOrderBy('slot.windowId').take(limit);
    if (after) query.andWhere('(slot.opens_at, slot.window_id) > (:at, :id)', { at: after[0], id: after[1] });
    if (filter.status !== undefined) query.andWhere('slot.status = :status', { status: filter.status });
    return query.getMany();
  }
}
