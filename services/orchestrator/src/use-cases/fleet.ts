import type { EventMetadata } from '@understudy/event-log';
import type { WindowState } from '@understudy/orchestrator-domain';
import { derivedId, Problem } from '@understudy/runtime';
import type { ExecutedWindow, Windows } from './windows.js';

/** What came of stopping the whole fleet, or of letting it go on. */
export interface FleetStop {
  readonly windows: readonly { readonly id: string; readonly status: string; readonly running: readonly string[] }[];
  readonly refused: readonly { readonly id: string; readonly code: string; readonly detail: string }[];
  /** False: the list of windows was not up to date. What it showed was stopped all the same. */
  readonly complete: boolean;
}

export interface FleetTools {
  readonly windows: Windows;
  /** Ids of the windows that have not ended, and whether the list holds all there are. */
  readonly unfinished: () => Promise<{ readonly ids: readonly string[]; readonly complete: boolean }>;
}

/** Every window that has not ended, those that have not opened included. A window that is scheduled later is not among them. */
export class Fleet {
  constructor(private readonly tools: FleetTools) {}

  async freeze(reason: string, metadata: EventMetadata): Promise<FleetStop> {
    return this.each(
      metadata,
      (state) => FREEZES.includes(state.status),
      (id, own) => this.tools.windows.freeze(id, reason, own, true),
    );
  }

  /** Ends the freeze of those that were frozen with the fleet; one that was frozen by itself stays so. */
  async resume(metadata: EventMetadata): Promise<FleetStop> {
    return this.each(
      metadata,
      (state) => state.frozenFrom?.fleet === true,
      (id, own) => this.tools.windows.resume(id, own),
    );
  }

  private async each(
    metadata: EventMetadata,
    concerns: (state: WindowState) => boolean,
    act: (windowId: string, metadata: EventMetadata) => Promise<ExecutedWindow>,
  ): Promise<FleetStop> {
    const { ids, complete } = await this.tools.unfinished();
    const windows: FleetStop['windows'][number][] = [];
    const refused: FleetStop['refused'][number][] = [];
    for (const id of ids) {
      try {
        if (!concerns((await this.tools.windows.get(id)).state)) continue;
        const { state } = await act(id, { ...metadata, commandId: derivedId('fleet', metadata.commandId, id) });
        windows.push({ id, status: state.status, running: await this.running(state) });
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        refused.push({ id, code: error.code, detail: error.message });
      }
    }
    return { windows, refused, complete };
  }

  private async running({ window, begun }: WindowState): Promise<readonly string[]> {
    if (window === null) return [];
    const seen = await this.tools.windows.seenRollouts(window);
    return seen.filter(({ id, ended }) => begun[id] !== undefined && ended === null).map(({ cluster }) => cluster);
  }
}

const FREEZES: readonly WindowState['status'][] = ['scheduled', 'open', 'held', 'aborting'];
