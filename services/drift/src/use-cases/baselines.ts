import type { Baseline, BaselineCommand } from '@understudy/drift-domain';
import { baselineDecider } from '@understudy/drift-domain';
import type { EventMetadata, Store } from '@understudy/event-log';
import { execute } from '@understudy/event-log';
import { accepted, baselineCodec, baselineStream } from '../handle.js';

export interface BaselineDone {
  readonly revision: number;
  /** Position of the event; undefined = nothing was written. */
  readonly position: number | undefined;
}

/** Named baselines. Callable from any door; refusals are thrown as `Problem`. */
export class Baselines {
  constructor(private readonly store: Store) {}

  set(baseline: Baseline, metadata: EventMetadata, expectedRevision: number | undefined): Promise<BaselineDone> {
    return this.execute(baseline.name, { type: 'set', baseline, ...expecting(expectedRevision) }, metadata);
  }

  remove(name: string, metadata: EventMetadata, expectedRevision: number | undefined): Promise<BaselineDone> {
    return this.execute(name, { type: 'remove', name, ...expecting(expectedRevision) }, metadata);
  }

  private async execute(name: string, command: BaselineCommand, metadata: EventMetadata): Promise<BaselineDone> {
    const stream = baselineStream(name);
    const result = accepted(await execute(this.store.log, baselineDecider, { stream, command, metadata, codec: baselineCodec }));
    return { revision: result.state.revision, position: result.stored.at(-1)?.position };
  }
}

function expecting(expectedRevision: number | undefined): { readonly expectedRevision?: number } {
  return expectedRevision === undefined ? {} : { expectedRevision };
}
