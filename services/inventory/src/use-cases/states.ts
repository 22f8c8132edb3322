import type { HaLayer } from '@understudy/cluster';
import type { LoadedStream, Store } from '@understudy/event-log';
import { loadStream } from '@understudy/event-log';
import type { ClusterCommand, ClusterState, RegisteredCluster } from '@understudy/inventory-domain';
import { clusterDecider } from '@understudy/inventory-domain';
import { clusterCodec, clusterStream, executeOnCluster, ownMetadata } from '../handle.js';

/** A classification as a gate reads it. */
export interface SeenHaLayer {
  readonly haLayer: HaLayer;
  readonly rolling: boolean;
  readonly reason: string;
}

/** Clusters kept folded in memory; the one that was used longest ago goes first. */
const FOLDED_LIMIT = 1_000;

/** The clusters' aggregates as the log says they are now: each is read on from where it was last read. */
export class States {
  private readonly folded = new Map<string, LoadedStream<ClusterState>>();

  constructor(private readonly store: Store) {}

  /** Undefined where it is not registered now. */
  async registered(slug: string): Promise<RegisteredCluster | undefined> {
    const loaded = await loadStream(this.store.log, clusterDecider, clusterCodec, this.folded.get(slug) ?? clusterStream(slug));
    this.keep(slug, loaded);
    return loaded.state.status === 'registered' ? loaded.state : undefined;
  }

  /** What protects this cluster, from the log and not from a read model: for a gate's second look. Null = not known. */
  async haLayer(slug: string): Promise<SeenHaLayer | null> {
    const classification = (await this.registered(slug))?.classification;
    if (classification === undefined) return null;
    const { haLayer, rolling, reason } = classification;
    return { haLayer, rolling, reason };
  }

  /** Records what we found. A cluster that was retired meanwhile refuses; then there is nothing to record. */
  async record(slug: string, command: ClusterCommand): Promise<void> {
    const loaded = this.folded.get(slug);
    const result = await executeOnCluster(this.store.log, {
      slug,
      command,
      metadata: ownMetadata('observer'),
      ...(loaded === undefined ? {} : { loaded }),
    });
    if (result.accepted) this.keep(slug, result.loaded);
  }

  private keep(slug: string, loaded: LoadedStream<ClusterState>): void {
    this.folded.delete(slug);
    this.folded.set(slug, loaded);
    const [oldest] = this.folded.keys();
    if (this.folded.size > FOLDED_LIMIT && oldest !== undefined) this.folded.delete(oldest);
  }
}
