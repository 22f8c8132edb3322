import { Controller } from '@nestjs/common';
import type { PatchItem } from '@understudy/cluster';
import type { Call, Reply } from '@understudy/runtime';
import { Operation, pageOf, pageSchema, reply } from '@understudy/runtime';
import { Orchestrator } from '../../orchestrator.js';
import { patchSet, patchSetRequest, playbook, playbookRequest, SLUG, UUID } from './schemas.js';

interface NewPatchSet {
  readonly items: readonly PatchItem[];
  readonly advisories?: readonly string[];
  readonly publishedAt: string;
}

/** Playbooks and patch sets: stored once, never changed. */
@Controller()
export class DocumentsController {
  constructor(private readonly orchestrator: Orchestrator) {}

  @Operation({
    method: 'PUT',
    path: '/v1/playbooks/{name}',
    id: 'storePlaybook',
    summary: 'Store a version of a playbook',
    description:
      'JSON or YAML. A stored version never changes: the same document again is fine, another one needs the next version number.',
    tag: 'playbooks',
    role: 'operator',
    yaml: true,
    params: { name: SLUG },
    body: playbookRequest,
    answers: { 200: { description: 'The playbook with every default written out.', schema: playbook } },
  })
  async storePlaybook(call: Call): Promise<Reply> {
    const name = call.params['name'] ?? '';
    const stored = await this.orchestrator.documents.storePlaybook(name, call.body, call.metadata);
    return reply.ok(
      { name, version: stored.playbook.version, hash: stored.hash, playbook: stored.playbook },
      { version: stored.version },
    );
  }

  @Operation({
    method: 'GET',
    path: '/v1/playbooks/{name}',
    id: 'getPlaybook',
    summary: 'A playbook',
    tag: 'playbooks',
    role: 'viewer',
    params: { name: SLUG },
    query: { version: { type: 'integer', minimum: 1, description: 'The newest when absent.' } },
    answers: { 200: { description: 'The playbook.', schema: playbook } },
  })
  async getPlaybook(call: Call): Promise<Reply> {
    const name = call.params['name'] ?? '';
    const version = call.query['version'] as number | undefined;
    const stored = await this.orchestrator.documents.playbook(name, version);
    return reply.ok({ name, version: stored.playbook.version, hash: stored.hash, playbook: stored.playbook });
  }

  @Operation({
    method: 'GET',
    path: '/v1/playbooks',
    id: 'listPlaybooks',
    summary: 'Playbooks, each in its newest version',
    tag: 'playbooks',
    role: 'viewer',
    list: 'playbooks',
    answers: { 200: { description: 'A page, by name.', schema: pageSchema('PlaybookPage', playbook) } },
  })
  async listPlaybooks(call: Call): Promise<Reply> {
    const page = call.page();
    const rows = await this.orchestrator.lists.documents.page('playbook', page.after?.map(String)[0], page.limit + 1);
    return reply.ok(
      pageOf(
        page,
        rows,
        (row) => [row.name],
        (row) => row.document,
      ),
    );
  }

  @Operation({
    method: 'POST',
    path: '/v1/patch-sets',
    id: 'definePatchSet',
    summary: 'Define a patch set',
    tag: 'patch-sets',
    role: 'operator',
    creates: true,
    yaml: true,
    body: patchSetRequest,
    answers: { 201: { description: 'The patch set.', schema: patchSet } },
  })
  async definePatchSet(call: Call<NewPatchSet>): Promise<Reply> {
    const { items, advisories = [], publishedAt } = call.body;
    const wanted = { id: call.newId, items, advisories, publishedAt };
    const { patchSet: stored, version, repeated } = await this.orchestrator.documents.definePatchSet(wanted, call.metadata);
    return reply.created(stored, { location: `/v1/patch-sets/${stored.id}`, version, replayed: repeated });
  }

  @Operation({
    method: 'GET',
    path: '/v1/patch-sets/{patchSetId}',
    id: 'getPatchSet',
    summary: 'A patch set',
    tag: 'patch-sets',
    role: 'viewer',
    params: { patchSetId: UUID },
    answers: { 200: { description: 'The patch set.', schema: patchSet } },
  })
  async getPatchSet(call: Call): Promise<Reply> {
    return reply.ok(await this.orchestrator.documents.patchSet(call.params['patchSetId'] ?? ''));
  }

  @Operation({
    method: 'GET',
    path: '/v1/patch-sets',
    id: 'listPatchSets',
    summary: 'Patch sets',
    tag: 'patch-sets',
    role: 'viewer',
    list: 'patch-sets',
    answers: { 200: { description: 'A page, by id.', schema: pageSchema('PatchSetPage', patchSet) } },
  })
  async listPatchSets(call: Call): Promise<Reply> {
    const page = call.page();
    const rows = await this.orchestrator.lists.documents.page('patch-set', page.after?.map(String)[0], page.limit + 1);
    return reply.ok(
      pageOf(
        page,
        rows,
        (row) => [row.name],
        (row) => row.document,
      ),
    );
  }
}
