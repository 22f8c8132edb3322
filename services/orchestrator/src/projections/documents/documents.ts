import type { Projection } from '@understudy/event-log';
import type { PatchSetEvent, PlaybookEvent } from '@understudy/orchestrator-domain';
import type { DataSource, EntityManager } from 'typeorm';
import { NamedDocumentRow } from '../entities.js';

export type DocumentKind = 'playbook' | 'patch-set';

/** The newest version of each playbook and every patch set, for lists; the truth is their streams. */
export const documentsProjection: Projection<EntityManager> = {
  name: 'projection/documents',
  apply: async (stored, manager) => {
    const at = { version: stored.version, position: stored.position };
    const rows = manager.getRepository(NamedDocumentRow);
    if (stored.type === 'PlaybookStored') {
      const { playbook, hash } = stored.body as PlaybookEvent['data'];
      const document = { name: playbook.name, version: playbook.version, hash, playbook };
      await rows.upsert({ kind: 'playbook', name: playbook.name, ...at, document }, ['kind', 'name']);
    }
    if (stored.type === 'PatchSetDefined') {
      const { patchSet } = stored.body as PatchSetEvent['data'];
      await rows.upsert({ kind: 'patch-set', name: patchSet.id, ...at, document: patchSet }, ['kind', 'name']);
    }
  },
  clear: async (manager) => {
    await manager.getRepository(NamedDocumentRow).clear();
  },
};

/** Queries over the rows. */
export class StoredDocuments {
  constructor(private readonly dataSource: DataSource) {}

  /** By name. */
  async page(kind: DocumentKind, afterName: string | undefined, limit: number): Promise<readonly NamedDocumentRow[]> {
    const query = this.dataSource.getRepository(NamedDocumentRow).createQueryBuilder('document');
    query.where('document.kind = :kind', { kind }).orderBy('document.name').take(limit);
    if (afterName !== undefined) query.andWhere('document.name > :afterName', { afterName });
    return query.getMany();
  }
}
