import { createHash } from 'node:crypto';
import type { PatchSet } from '@understudy/cluster';
import { eventCodec, execute, loadStream, type EventLog, type EventMetadata } from '@understudy/event-log';
import {
  DOCUMENT_VERSIONS,
  patchSetDecider,
  playbookDecider,
  readPlaybook,
  upcastDocument,
  type PatchSetEvent,
  type Playbook,
  type PlaybookEvent,
} from '@understudy/orchestrator-domain';
import { Problem, refused } from '@understudy/runtime';
import { accepted, personOf } from './person.js';

const playbookCodec = eventCodec<PlaybookEvent>({
  field: 'data',
  schemaVersions: DOCUMENT_VERSIONS,
  upcast: (stored) => upcastDocument(stored) as PlaybookEvent,
});
const patchSetCodec = eventCodec<PatchSetEvent>({
  field: 'data',
  schemaVersions: DOCUMENT_VERSIONS,
  upcast: (stored) => upcastDocument(stored) as PatchSetEvent,
});

export interface StoredPlaybook {
  readonly playbook: Playbook;
  /** SHA-256 hex over the document's bytes. */
  readonly hash: string;
}

/** Playbooks and patch sets: documents that never change once they are stored. */
export class Documents {
  constructor(
    private readonly log: EventLog,
    private readonly sources: readonly string[],
    private readonly now: () => number,
  ) {}

  /**
   * Stores a version of a playbook. The same document again is fine; another one under a stored version is refused.
   * Throws `Problem` PLAYBOOK_INVALID (422, every complaint with its pointer), PLAYBOOK_VERSION_EXISTS (409).
   */
  async storePlaybook(
    name: string,
    document: unknown,
    metadata: EventMetadata,
  ): Promise<StoredPlaybook & { readonly version: number; readonly repeated: boolean }> {
    const reading = readPlaybook(document);
    if ('refusals' in reading) throw refused({ kind: 'invalid', refusals: reading.refusals });
    const { playbook } = reading;
    if (playbook.name !== name) {
      const detail = `The document is named ${playbook.name}, the address says ${name}.`;
      throw refused({ kind: 'invalid', refusals: [{ pointer: '/name', code: 'NAME_DIFFERS', detail }] });
    }
    const hash = createHash('sha256').update(JSON.stringify(document)).digest('hex');
    const result = await execute(this.log, playbookDecider, {
      stream: `playbook/${name}`,
      command: { type: 'StorePlaybook', playbook, hash, by: personOf(metadata.actor), at: this.at() },
      metadata,
      codec: playbookCodec,
    });
    const { version, repeated } = accepted(result);
    return { playbook, hash, version, repeated };
  }

  /** The newest version, or the one asked for. Throws `Problem` PLAYBOOK_UNKNOWN. */
  async playbook(name: string, version?: number): Promise<StoredPlaybook> {
    const { state } = await loadStream(this.log, playbookDecider, playbookCodec, `playbook/${name}`);
    const found = state.versions[version ?? state.latest];
    if (!found) {
      const which = version === undefined ? `playbook ${name}` : `version ${version} of playbook ${name}`;
      throw new Problem('not-found', 'PLAYBOOK_UNKNOWN', `There is no ${which}. PUT /v1/playbooks/${name} stores one.`);
    }
    return found;
  }

  /** Throws `Problem` UNKNOWN_SOURCE, DUPLICATE_ITEM, PUBLISHED_IN_THE_FUTURE (422). */
  async definePatchSet(
    patchSet: PatchSet,
    metadata: EventMetadata,
  ): Promise<{ readonly patchSet: PatchSet; readonly version: number; readonly repeated: boolean }> {
    const result = await execute(this.log, patchSetDecider, {
      stream: `patch-set/${patchSet.id}`,
      command: { type: 'DefinePatchSet', patchSet, sources: this.sources, by: personOf(metadata.actor), at: this.at() },
      metadata,
      codec: patchSetCodec,
      // A new id has no stream yet; if it has one, the append says so and the stream is read.
      loaded: { stream: `patch-set/${patchSet.id}`, version: 0, state: patchSetDecider.initial, commands: new Map() },
    });
    const { state, version, repeated } = accepted(result);
    return { patchSet: state.patchSet ?? patchSet, version, repeated };
  }

  /** Throws `Problem` PATCH_SET_UNKNOWN. */
  async patchSet(id: string): Promise<PatchSet> {
    const { state } = await loadStream(this.log, patchSetDecider, patchSetCodec, `patch-set/${id}`);
    if (!state.patchSet)
      throw new Problem('not-found', 'PATCH_SET_UNKNOWN', `There is no patch set ${id}. POST /v1/patch-sets defines one.`);
    return state.patchSet;
  }

  private at(): string {
    return new Date(this.now()).toISOString();
  }
}
