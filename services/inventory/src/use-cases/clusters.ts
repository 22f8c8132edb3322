import type { ClusterDefinition } from '@understudy/cluster';
import type { Refusal } from '@understudy/decider';
import type { EventMetadata, Store, StreamAppend } from '@understudy/event-log';
import { loadStream } from '@understudy/event-log';
import type {
  Classification,
  ClusterState,
  Evidence,
  FleetCommand,
  Known,
  PlatformSettings,
  RegisteredCluster,
} from '@understudy/inventory-domain';
import { classify, fleetDecider, secretTargets, validate } from '@understudy/inventory-domain';
import type { CredentialStore } from '@understudy/runtime';
import { hostMatches, refused } from '@understudy/runtime';
import type { Look } from '../effects/sight.js';
import { FLEET_STREAM, accepted, executeOnCluster, fleetCodec } from '../handle.js';

/** What this installation offers to a registration. */
export interface Offered {
  readonly platforms: Readonly<Record<string, PlatformSettings>>;
  readonly patchSources: readonly string[];
  readonly credentials: CredentialStore;
}

export interface ClusterDone {
  readonly definition: ClusterDefinition;
  readonly revision: number;
  readonly replayed: boolean;
  /** Position of the last event; undefined = nothing was written. */
  readonly position: number | undefined;
}

export interface Preview {
  readonly definition: ClusterDefinition;
  readonly look: Look;
  /** Undefined where nothing could be seen. */
  readonly classification: Classification | undefined;
}

/** Around the aggregates: registering, changing and retiring clusters. Callable from any door; refusals are thrown as `Problem`. */
export class Clusters {
  constructor(
    private readonly store: Store,
    private readonly offered: Offered,
    private readonly look: (definition: ClusterDefinition) => Promise<Look>,
  ) {}

  /** Observes and classifies what would be registered, and stores nothing. @throws Problem with every reason against it. */
  async preview(definition: ClusterDefinition): Promise<Preview> {
    await this.refuseInvalid(definition);
    const look = await this.look(definition);
    const evidence: readonly Evidence[] = look.seen ? look.evidence : [];
    const classification = look.seen ? classify(definition, look.snapshot, evidence) : undefined;
    return { definition, look, classification };
  }

  async register(definition: ClusterDefinition, metadata: EventMetadata): Promise<ClusterDone> {
    await this.refuseInvalid(definition);
    const command = { type: 'register', definition, known: this.known(definition) } as const;
    const also = (): Promise<readonly StreamAppend[]> => this.fleetAppend({ type: 'list', definition });
    return done(accepted(await executeOnCluster(this.store.log, { slug: definition.slug, command, metadata, also })));
  }

  async change(
    slug: string,
    definition: ClusterDefinition,
    metadata: EventMetadata,
    expectedRevision: number | undefined,
  ): Promise<ClusterDone> {
    const command = { type: 'change', definition, known: this.known(definition), ...expecting(expectedRevision) } as const;
    const also = (): Promise<readonly StreamAppend[]> => this.fleetAppend({ type: 'list', definition });
    return done(accepted(await executeOnCluster(this.store.log, { slug, command, metadata, also })));
  }

  async retire(
    slug: string,
    reason: string,
    metadata: EventMetadata,
    expectedRevision: number | undefined,
  ): Promise<number | undefined> {
    const command = { type: 'retire', reason, ...expecting(expectedRevision) } as const;
    const also = (): Promise<readonly StreamAppend[]> => this.fleetAppend({ type: 'delist', cluster: slug });
    const result = accepted(await executeOnCluster(this.store.log, { slug, command, metadata, also }));
    return result.stored.at(-1)?.position;
  }

  /** Rules of the document and rules across the fleet at once, so that one answer names everything. */
  private async refuseInvalid(definition: ClusterDefinition): Promise<void> {
    const fleet = await loadStream(this.store.log, fleetDecider, fleetCodec, FLEET_STREAM);
    const listed = fleetDecider.decide({ type: 'list', definition }, fleet.state);
    const refusals: readonly Refusal[] = [
      ...validate(definition, this.known(definition)),
      ...(listed.accepted ? [] : listed.refusals),
    ];
    if (refusals.length > 0) throw refused({ kind: 'invalid', refusals });
  }

  /** The fleet's part of the append; asked again after a conflict, so the rules hold under concurrent requests. */
  private async fleetAppend(command: FleetCommand): Promise<readonly StreamAppend[]> {
    const fleet = await loadStream(this.store.log, fleetDecider, fleetCodec, FLEET_STREAM);
    const decision = fleetDecider.decide(command, fleet.state);
    if (!decision.accepted) throw refused(decision);
    if (decision.events.length === 0) return [];
    return [{ stream: FLEET_STREAM, expectedVersion: fleet.version, events: decision.events.map(fleetCodec.encode) }];
  }

  private known(definition: ClusterDefinition): Known {
    const targets = secretTargets(definition);
    const credentials = this.offered.credentials.list().map(({ name, hosts }) => ({
      name,
      hostPatterns: hosts,
      refuses: targets.filter((target) => !hosts.some((pattern) => hostMatches(pattern, target))),
    }));
    return { platforms: this.offered.platforms, patchSources: this.offered.patchSources, credentials };
  }
}

function expecting(expectedRevision: number | undefined): { readonly expectedRevision?: number } {
  return expectedRevision === undefined ? {} : { expectedRevision };
}

function done(result: {
  readonly state: ClusterState;
  readonly repeated: boolean;
  readonly stored: readonly { readonly position: number }[];
}): ClusterDone {
  const state = result.state as RegisteredCluster;
  return {
    definition: state.definition,
    revision: state.revision,
    replayed: result.repeated,
    position: result.stored.at(-1)?.position,
  };
}
