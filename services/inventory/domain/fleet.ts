import { accessTarget, type ClusterDefinition, type Environment } from '@understudy/cluster';
import type { Decider, Decision, Refusal } from '@understudy/decider';
import { accept, refuse } from '@understudy/decider';
import { sameTarget } from './cluster/validate.js';

/**
 * The fleet aggregate, one stream `fleet`: which cluster stands on which hosts. It is appended to together with each
 * registration, change and retirement, all or nothing, so that rules across clusters hold under concurrent requests.
 */
export type FleetEvent =
  | { readonly type: 'ClusterListed'; readonly body: FleetEntry }
  | { readonly type: 'ClusterDelisted'; readonly body: { readonly cluster: string } };

export interface FleetEntry {
  readonly cluster: string;
  readonly environment: Environment;
  /** The production cluster that it mirrors; '' = none. */
  readonly twinOf: string;
  readonly hosts: readonly { readonly slug: string; readonly target: string }[];
}

export type FleetCommand =
  { readonly type: 'list'; readonly definition: ClusterDefinition } | { readonly type: 'delist'; readonly cluster: string };

export interface FleetState {
  readonly clusters: Readonly<Record<string, FleetEntry>>;
}

export const fleetDecider: Decider<FleetState, FleetCommand, FleetEvent> = {
  initial: { clusters: {} },
  decide: (command, state) => {
    switch (command.type) {
      case 'list':
        return list(command.definition, state);
      case 'delist':
        return delist(command.cluster, state);
    }
  },
  evolve: (state, event) => {
    switch (event.type) {
      case 'ClusterListed':
        return { clusters: { ...state.clusters, [event.body.cluster]: event.body } };
      case 'ClusterDelisted': {
        const { [event.body.cluster]: _gone, ...clusters } = state.clusters;
        return { clusters };
      }
    }
  },
};

function list(definition: ClusterDefinition, state: FleetState): Decision<FleetEvent> {
  const refusals = [...hostRefusals(definition, state), ...twinRefusals(definition, state)];
  if (refusals.length > 0) return refuse('invalid', ...refusals);
  const entry: FleetEntry = {
    cluster: definition.slug,
    environment: definition.environment,
    twinOf: definition.twinOf ?? '',
    hosts: definition.hosts.map((host) => ({ slug: host.slug, target: accessTarget(host.access) })),
  };
  const before = Object.hasOwn(state.clusters, definition.slug) ? state.clusters[definition.slug] : undefined;
  return JSON.stringify(before) === JSON.stringify(entry) ? accept() : accept({ type: 'ClusterListed', body: entry });
}

function delist(cluster: string, state: FleetState): Decision<FleetEvent> {
  return Object.hasOwn(state.clusters, cluster) ? accept({ type: 'ClusterDelisted', body: { cluster } }) : accept();
}

/** A host may carry nodes of several clusters: then both documents say the same slug and the same target. */
function hostRefusals(definition: ClusterDefinition, state: FleetState): readonly Refusal[] {
  const others = Object.values(state.clusters).filter((entry) => entry.cluster !== definition.slug);
  return definition.hosts.flatMap((host, i) => {
    const target = accessTarget(host.access);
    return others.flatMap((entry) =>
      entry.hosts.flatMap((other): readonly Refusal[] => {
        if ((other.slug === host.slug) === (other.target === target)) return [];
        const pointer = `/hosts/${i}/access`;
        if (other.slug !== host.slug) {
          return [
            {
              pointer,
              code: 'SAME_ACCESS_TARGET',
              detail: `${sameTarget(host.slug, other.slug, target)} "${other.slug}" was registered with cluster "${entry.cluster}".`,
            },
          ];
        }
        return [
          {
            pointer,
            code: 'HOST_DEFINED_OTHERWISE',
            detail: `Host "${host.slug}" is registered with cluster "${entry.cluster}" as ${other.target}; this document says ${target}. One slug is one machine: correct the access, or give this machine its own slug.`,
          },
        ];
      }),
    );
  });
}

function twinRefusals(definition: ClusterDefinition, state: FleetState): readonly Refusal[] {
  const { twinOf } = definition;
  if (twinOf === undefined) return [];
  const mirrored = Object.hasOwn(state.clusters, twinOf) ? state.clusters[twinOf] : undefined;
  if (mirrored === undefined) {
    return [
      {
        pointer: '/twinOf',
        code: 'UNKNOWN_TWIN',
        detail: `twinOf names "${twinOf}", which is not registered. Register the production cluster first.`,
      },
    ];
  }
  if (mirrored.environment !== 'production') {
    return [
      {
        pointer: '/twinOf',
        code: 'TWIN_NOT_PRODUCTION',
        detail: `twinOf names "${twinOf}", a cluster of environment "${mirrored.environment}". A lab mirrors a production cluster.`,
      },
    ];
  }
  return [];
}
