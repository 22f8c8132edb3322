import { Controller } from '@nestjs/common';
import type { ClusterDefinition } from '@understudy/cluster';
import type { Call, Reply } from '@understudy/runtime';
import { Operation, pageOf, reply } from '@understudy/runtime';
import { Inventory } from '../../inventory.js';
import type { ClusterFilter, DebtFilter } from '../../projections/catalogue/queries.js';
import { CLUSTER, CLUSTERS, CLUSTER_DOCUMENT, DEBTS, FACTS, PREVIEW, SLUG, TOPOLOGY } from './schemas.js';
import { clusterView, debtView, factsView, previewView, rowView, topologyView } from './views.js';

const TAG = 'clusters';
const params = { slug: SLUG };

@Controller()
export class ClustersController {
  constructor(private readonly inventory: Inventory) {}

  @Operation({
    method: 'POST',
    path: '/v1/clusters',
    id: 'registerCluster',
    summary: 'Register a cluster',
    description:
      'With `dryRun=true` the cluster is looked at and classified, and nothing is stored. ' +
      'The document may be YAML. A cluster that cannot roll is registered too: its classification says why.',
    tag: TAG,
    role: 'operator',
    creates: true,
    yaml: true,
    body: CLUSTER_DOCUMENT,
    query: { dryRun: { type: 'boolean', default: false, description: 'Only look, classify and tell.' } },
    answers: {
      200: { description: 'What was seen (dry run).', schema: PREVIEW },
      201: { description: 'The cluster.', schema: CLUSTER, headers: { ETag: 'Revision of the document.' } },
    },
  })
  async register(call: Call<ClusterDefinition>): Promise<Reply> {
    if (call.query['dryRun'] === true) return reply.ok(previewView(await this.inventory.clusters.preview(call.body)));
    const { definition, revision, replayed, position } = await this.inventory.clusters.register(call.body, call.metadata);
    await this.inventory.readModels.written(position);
    this.inventory.lookSoon(definition.slug);
    return reply.created(clusterView(definition, revision, null), {
      location: `/v1/clusters/${definition.slug}`,
      version: revision,
      replayed,
    });
  }

  @Operation({
    method: 'GET',
    path: '/v1/clusters',
    id: 'listClusters',
    summary: 'Clusters',
    tag: TAG,
    role: 'viewer',
    list: 'clusters',
    query: {
      environment: { type: 'string', enum: ['production', 'lab', 'practice'] },
      platform: { type: 'string', minLength: 1, maxLength: 100 },
      haLayer: { type: 'string', enum: ['application', 'hypervisor', 'none'] },
      retired: { type: 'boolean', default: false, description: 'True = the retired ones instead.' },
    },
    answers: { 200: { description: 'A page, by slug.', schema: CLUSTERS } },
  })
  async list(call: Call): Promise<Reply> {
    const { environment, platform, haLayer, retired } = call.query as ClusterFilter;
    const filter = { environment, platform, haLayer, retired };
    const page = call.page(filter);
    await this.inventory.readModels.fresh();
    const after = page.after?.[0];
    const rows = await this.inventory.catalogue.clusters(filter, after === undefined ? undefined : String(after), page.limit + 1);
    return reply.ok(pageOf(page, rows, (row) => [row.slug], rowView));
  }

  @Operation({
    method: 'GET',
    path: '/v1/clusters/{slug}',
    id: 'getCluster',
    summary: 'A cluster: its document and what protects it',
    description: 'Its `definition` is what PUT takes.',
    tag: TAG,
    role: 'viewer',
    params,
    answers: { 200: { description: 'The cluster.', schema: CLUSTER, headers: { ETag: 'Revision of the document.' } } },
  })
  async get(call: Call): Promise<Reply> {
    await this.inventory.readModels.fresh();
    const row = await this.inventory.catalogue.cluster(slugOf(call));
    return reply.ok(rowView(row), { version: row.revision });
  }

  @Operation({
    method: 'PUT',
    path: '/v1/clusters/{slug}',
    id: 'changeCluster',
    summary: 'Change a cluster’s document, as a whole',
    tag: TAG,
    role: 'operator',
    yaml: true,
    ifMatch: 'required',
    params,
    body: CLUSTER_DOCUMENT,
    answers: { 200: { description: 'The cluster as it is now.', schema: CLUSTER } },
  })
  async change(call: Call<ClusterDefinition>): Promise<Reply> {
    const { clusters } = this.inventory;
    const { definition, revision, position } = await clusters.change(
      slugOf(call),
      call.body,
      call.metadata,
      call.expectedVersion,
    );
    await this.inventory.readModels.written(position);
    this.inventory.lookSoon(definition.slug);
    return reply.ok(clusterView(definition, revision, null), { version: revision });
  }

  @Operation({
    method: 'DELETE',
    path: '/v1/clusters/{slug}',
    id: 'retireCluster',
    summary: 'Retire a cluster: it is no longer observed; its history stays',
    tag: TAG,
    role: 'operator',
    ifMatch: 'required',
    params,
    query: { reason: { type: 'string', minLength: 1, maxLength: 500, description: 'Why; kept with the event.' } },
    answers: { 204: { description: 'Retired.' } },
  })
  async retire(call: Call): Promise<Reply> {
    const reason = typeof call.query['reason'] === 'string' ? call.query['reason'] : 'no reason given';
    await this.inventory.readModels.written(
      await this.inventory.clusters.retire(slugOf(call), reason, call.metadata, call.expectedVersion),
    );
    return reply.noContent();
  }

  @Operation({
    method: 'GET',
    path: '/v1/clusters/{slug}/topology',
    id: 'getTopology',
    summary: 'What was seen: every node in the platform’s own word and in ours',
    tag: TAG,
    role: 'viewer',
    params,
    answers: { 200: { description: 'The picture as it last changed, and when it was last looked at.', schema: TOPOLOGY } },
  })
  async topology(call: Call): Promise<Reply> {
    const { catalogue } = this.inventory;
    await this.inventory.readModels.fresh();
    const row = await catalogue.cluster(slugOf(call));
    return reply.ok(topologyView(row.slug, row.snapshot, row.classification, await catalogue.lastLook(row.slug)));
  }

  @Operation({
    method: 'GET',
    path: '/v1/clusters/{slug}/facts',
    id: 'getFacts',
    summary: 'Facts of every node, as last collected',
    tag: TAG,
    role: 'viewer',
    params,
    answers: { 200: { description: 'Facts; secrets are named and not shown.', schema: FACTS } },
  })
  async facts(call: Call): Promise<Reply> {
    await this.inventory.readModels.fresh();
    const row = await this.inventory.catalogue.cluster(slugOf(call));
    return reply.ok(factsView(row.slug, row.facts));
  }

  @Operation({
    method: 'GET',
    path: '/v1/debts',
    id: 'listDebts',
    summary: 'How long fixes have been available and not applied, per node',
    tag: 'debt',
    role: 'viewer',
    list: 'debts',
    query: {
      cluster: SLUG,
      settled: { type: 'boolean', default: false, description: 'True = the ones that were paid instead.' },
    },
    answers: { 200: { description: 'A page, by cluster, node and patch set.', schema: DEBTS } },
  })
  async debts(call: Call): Promise<Reply> {
    const { cluster, settled } = call.query as DebtFilter;
    const filter = { cluster, settled };
    const page = call.page(filter);
    await this.inventory.readModels.fresh();
    const rows = await this.inventory.catalogue.debts(filter, page.after?.map(String), page.limit + 1);
    return reply.ok(pageOf(page, rows, (row) => [row.cluster, row.node, row.patchSetId], debtView));
  }
}

function slugOf(call: Call): string {
  return call.params['slug'] ?? '';
}
