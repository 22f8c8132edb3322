import type { drift, inventory } from '@understudy/contracts';
import type { AccessDefinition, ClusterDefinition, Environment, HaLayer } from '@understudy/cluster';
import type { CloudEvent, HandlerTable } from '@understudy/messaging';
import type { DataSource } from 'typeorm';
import { ClusterDirectoryRow } from './entities.js';

/** The clusters that inventory told us of. Fed by messages, guarded by their position. */
export class Directory {
  constructor(private readonly dataSource: DataSource) {}

  async get(slug: string): Promise<ClusterDefinition | undefined> {
    const row = await this.dataSource.getRepository(ClusterDirectoryRow).findOneBy({ slug, retired: false });
    return row ? (row.definition as ClusterDefinition) : undefined;
  }

  /** Clusters with a node on one of these hosts. */
  async onHosts(hosts: readonly string[]): Promise<readonly ClusterDefinition[]> {
    const rows = await this.dataSource.getRepository(ClusterDirectoryRow).findBy({ retired: false });
    const wanted = new Set(hosts);
    return rows
      .map((row) => row.definition as ClusterDefinition)
      .filter((definition) => definition.nodes.some((node) => wanted.has(node.host)));
  }

  /** What to do with inventory's messages: an upsert that an older or repeated message does not change. */
  handlers(): HandlerTable {
    return {
      'understudy.inventory.cluster-registered.v1': (event) =>
        this.upsert(event, (event.data as inventory.ClusterRegisteredJson).cluster),
      'understudy.inventory.cluster-changed.v1': (event) =>
        this.upsert(event, (event.data as inventory.ClusterChangedJson).cluster),
      'understudy.inventory.cluster-retired.v1': (event) =>
        this.retire(event, (event.data as inventory.ClusterRetiredJson).cluster ?? ''),
    };
  }

  /** drift's word on how far a lab twin resembles its production cluster. */
  fidelityHandlers(): HandlerTable {
    return {
      'understudy.drift.fidelity-scored.v1': async (event) => {
        const { cluster, twinOf, score } = event.data as drift.FidelityScoredJson;
        await this.dataSource.query(
          `insert into twin_fidelity (cluster, twin_of, score, source, source_position) values ($1, $2, $3, $4, $5)
           on conflict on constraint twin_fidelity_pk do update
             set twin_of = excluded.twin_of, score = excluded.score, source = excluded.source, source_position = excluded.source_position
             where twin_fidelity.source <> excluded.source or twin_fidelity.source_position < excluded.source_position`,
          [cluster ?? '', twinOf ?? '', score ?? 0, event.source, Number(event.sequence)],
        );
      },
    };
  }

  private async upsert(event: CloudEvent, cluster: inventory.ClusterJson | undefined): Promise<void> {
    if (!cluster?.slug) throw new Error('The message carries no cluster.');
    const definition = JSON.stringify(clusterFromJson(cluster));
    await this.dataSource.query(
      `insert into cluster_directory (slug, definition, retired, source, source_position) values ($1, $2, false, $3, $4)
       on conflict on constraint cluster_directory_pk do update
         set definition = excluded.definition, retired = false, source = excluded.source, source_position = excluded.source_position
         where cluster_directory.source <> excluded.source or cluster_directory.source_position < excluded.source_position`,
      [cluster.slug, definition, event.source, Number(event.sequence)],
    );
  }

  private async retire(event: CloudEvent, slug: string): Promise<void> {
    await this.dataSource.query(
      `update cluster_directory set retired = true, source_position = $2 where slug = $1 and source_position < $2`,
      [slug, Number(event.sequence)],
    );
  }
}

/** The published form of a cluster -> ours. Empty text means absent there. */
export function clusterFromJson(json: inventory.ClusterJson): ClusterDefinition {
  return {
    slug: json.slug ?? '',
    platform: json.platform ?? '',
    environment: (json.environment ?? 'production') as Environment,
    workloads: json.workloads ?? [],
    nodes: (json.nodes ?? []).map((node) => ({
      slug: node.slug ?? '',
      host: node.host ?? '',
      settings: node.settings ?? {},
      ...(node.notPromotable ? { notPromotable: node.notPromotable } : {}),
    })),
    hosts: (json.hosts ?? []).map((host) => ({
      slug: host.slug ?? '',
      access: host.access as unknown as AccessDefinition,
      patching: (host.patching ?? {}) as Record<string, Record<string, string>>,
    })),
    credentials: json.credentials ?? {},
    settings: json.settings ?? {},
    ...(json.declaredHaLayer ? { declaredHaLayer: json.declaredHaLayer as HaLayer } : {}),
    ...(json.twinOf ? { twinOf: json.twinOf } : {}),
    ...(json.probeHost ? { probeHost: json.probeHost } : {}),
  };
}
