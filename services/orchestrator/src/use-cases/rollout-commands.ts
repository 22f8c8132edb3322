import type { EventMetadata } from '@understudy/event-log';
import { resumeRefusal, type GateName, type RolloutCommand } from '@understudy/orchestrator-domain';
import { refused } from '@understudy/runtime';
import type { RolloutStore } from '../handle.js';
import { accepted, personOf } from './person.js';
import { checkVersion, type Windows } from './windows.js';

/** What a person may tell a rollout. Any process may append it; the owner hears of it by the log. */
export class RolloutCommands {
  constructor(
    private readonly rollouts: RolloutStore,
    private readonly windows: Windows,
    private readonly now: () => number,
  ) {}

  hold(rolloutId: string, reason: string, metadata: EventMetadata, expectedVersion?: number): Promise<number> {
    return this.give(rolloutId, { type: 'Hold', by: personOf(metadata.actor), reason, at: this.at() }, metadata, expectedVersion);
  }

  /** Throws `Problem` WINDOW_FROZEN (409) where its whole window was frozen: that is ended first. */
  async resume(rolloutId: string, metadata: EventMetadata, expectedVersion?: number): Promise<number> {
    const { state, loaded } = await this.rollouts.load(rolloutId);
    const { state: own, window } = await this.windows.get(state.planned?.windowId ?? '');
    const refusal = resumeRefusal({ ...own, window });
    // What was accepted once is answered as then.
    if (refusal !== null && !loaded.commands.has(metadata.commandId)) throw refused({ kind: 'conflict', refusals: [refusal] });
    return this.give(rolloutId, { type: 'Resume', by: personOf(metadata.actor), at: this.at() }, metadata, expectedVersion);
  }

  abort(rolloutId: string, reason: string, metadata: EventMetadata, expectedVersion?: number): Promise<number> {
    return this.give(
      rolloutId,
      { type: 'Abort', by: personOf(metadata.actor), reason, at: this.at() },
      metadata,
      expectedVersion,
    );
  }

  /** `node`: only that one; else every node that was patched. */
  rollBack(
    rolloutId: string,
    asked: { readonly reason: string; readonly node?: string },
    metadata: EventMetadata,
    expectedVersion?: number,
  ): Promise<number> {
    const { reason, node = null } = asked;
    const command = { type: 'RollBack', by: personOf(metadata.actor), reason, node, at: this.at() } as const;
    return this.give(rolloutId, command, metadata, expectedVersion);
  }

  freeze(rolloutId: string, reason: string, metadata: EventMetadata, expectedVersion?: number): Promise<number> {
    return this.give(
      rolloutId,
      { type: 'Freeze', by: personOf(metadata.actor), reason, at: this.at() },
      metadata,
      expectedVersion,
    );
  }

  /** The first of two persons asks; the domain says which gates two persons can open. */
  requestOverride(
    rolloutId: string,
    asked: { readonly gate: GateName; readonly reason: string; readonly until: string },
    metadata: EventMetadata,
    expectedVersion?: number,
  ): Promise<number> {
    const command = { type: 'RequestOverride', ...asked, by: personOf(metadata.actor), at: this.at() } as const;
    return this.give(rolloutId, command, metadata, expectedVersion);
  }

  confirmOverride(rolloutId: string, gate: GateName, metadata: EventMetadata, expectedVersion?: number): Promise<number> {
    const command = { type: 'ConfirmOverride', gate, by: personOf(metadata.actor), at: this.at() } as const;
    return this.give(rolloutId, command, metadata, expectedVersion);
  }

  withdrawOverride(
    rolloutId: string,
    gate: GateName,
    reason: string,
    metadata: EventMetadata,
    expectedVersion?: number,
  ): Promise<number> {
    const command = { type: 'WithdrawOverride', gate, reason, by: personOf(metadata.actor), at: this.at() } as const;
    return this.give(rolloutId, command, metadata, expectedVersion);
  }

  /** Answers the rollout's version afterwards. */
  private async give(
    rolloutId: string,
    command: RolloutCommand,
    metadata: EventMetadata,
    expectedVersion?: number,
  ): Promise<number> {
    if (expectedVersion !== undefined) checkVersion((await this.rollouts.load(rolloutId)).version, expectedVersion);
    return accepted(await this.rollouts.handle(rolloutId, command, metadata)).version;
  }

  private at(): string {
    return new Date(this.now()).toISOString();
  }
}
