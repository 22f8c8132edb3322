import type { Refusal } from '@understudy/decider';
import type { Dependency, Wave, WaveWanted } from './window.js';

/** What is asked for when a window is scheduled: which cluster belongs to which wave, and which depends on which. */
export interface Wanted {
  readonly clusters: readonly string[];
  readonly waves: readonly WaveWanted[];
  readonly dependsOn: readonly Dependency[];
}

/** The waves with their clusters, or everything that is wrong with them. */
export type Arranged = { readonly waves: readonly Wave[] } | { readonly refusals: readonly Refusal[] };

/** Waves by count take clusters in an order in which each comes after those it depends on. */
export function arrange(wanted: Wanted): Arranged {
  const wrong = [...dependencyRefusals(wanted), ...waveRefusals(wanted)];
  if (wrong.length > 0) return { refusals: wrong };
  const waves = fill(wanted);
  const late = [...shapeRefusals(wanted, waves), ...laterRefusals(wanted, waves)];
  return late.length > 0 ? { refusals: late } : { waves };
}

/** What a cluster depends on directly, named once. */
export function dependenciesOf(cluster: string, dependsOn: readonly Dependency[]): readonly string[] {
  return [...new Set(dependsOn.filter((entry) => entry.cluster === cluster).flatMap((entry) => entry.on))];
}

// ---------------------------------------------------------------- dependencies

function dependencyRefusals(wanted: Wanted): readonly Refusal[] {
  const unknown = wanted.dependsOn.flatMap((entry, index) => [
    ...strangers([entry.cluster], wanted.clusters).map(() => stranger(`/dependsOn/${index}/cluster`, entry.cluster)),
    ...entry.on.flatMap((on, place) => (wanted.clusters.includes(on) ? [] : [stranger(`/dependsOn/${index}/on/${place}`, on)])),
  ]);
  const cycle = cycleIn(wanted);
  if (cycle === null) return unknown;
  const words = cycle.map((cluster, index) => `${cluster} depends on ${cycle[(index + 1) % cycle.length]}`).join(', ');
  const detail = `None of these could ever be the first: ${words}. Leave one of them out.`;
  return [...unknown, { pointer: '/dependsOn', code: 'DEPENDENCY_CYCLE', detail }];
}

function strangers(names: readonly string[], clusters: readonly string[]): readonly string[] {
  return names.filter((name) => !clusters.includes(name));
}

function stranger(pointer: string, cluster: string): Refusal {
  const detail = `${cluster} is not a cluster of this window. Name it in clusters, or leave it out here.`;
  return { pointer, code: 'CLUSTER_NOT_IN_WINDOW', detail };
}

/** One cycle, each cluster depending on the next and the last on the first; null = there is none. */
function cycleIn({ clusters, dependsOn }: Wanted): readonly string[] | null {
  const free = new Set<string>();
  const follow = (cluster: string, path: readonly string[]): readonly string[] | null => {
    const before = path.indexOf(cluster);
    if (before >= 0) return path.slice(before);
    if (free.has(cluster)) return null;
    for (const on of dependenciesOf(cluster, dependsOn)) {
      const found = follow(on, [...path, cluster]);
      if (found !== null) return found;
    }
    free.add(cluster);
    return null;
  };
  for (const cluster of clusters) {
    const found = follow(cluster, []);
    if (found !== null) return found;
  }
  return null;
}

// ---------------------------------------------------------------- waves

function waveRefusals({ clusters, waves }: Wanted): readonly Refusal[] {
  const named = new Set<string>();
  return waves.flatMap((wave, index): readonly Refusal[] => {
    const pointer = `/waves/${index}`;
    const both = wave.clusters !== undefined && wave.count !== undefined;
    const canary = wave.canary === true && index > 0;
    return [
      ...(both ? [{ pointer, code: 'WAVE_AMBIGUOUS', detail: 'A wave names its clusters or gives their count, not both.' }] : []),
      ...(canary ? [{ pointer, code: 'CANARY_NOT_FIRST', detail: 'Only the first wave can be the canary.' }] : []),
      ...(wave.clusters ?? []).flatMap((cluster, place): readonly Refusal[] => {
        const at = `${pointer}/clusters/${place}`;
        const twice = named.has(cluster);
        named.add(cluster);
        if (!clusters.includes(cluster)) return [stranger(at, cluster)];
        return twice ? [{ pointer: at, code: 'CLUSTER_IN_TWO_WAVES', detail: `${cluster} is in a wave already.` }] : [];
      }),
    ];
  });
}

function fill({ clusters, waves, dependsOn }: Wanted): readonly Wave[] {
  if (waves.length === 0) return [{ canary: false, clusters }];
  const named = waves.flatMap((wave) => wave.clusters ?? []);
  const left = inOrder(clusters, dependsOn).filter((cluster) => !named.includes(cluster));
  return waves.map((wave) => ({
    canary: wave.canary === true,
    clusters: wave.clusters ?? left.splice(0, wave.count ?? left.length),
  }));
}

/** The given order, each cluster moved behind those it depends on. There is no cycle. */
export function inOrder(clusters: readonly string[], dependsOn: readonly Dependency[]): string[] {
  const placed = new Set<string>();
  const place = (cluster: string): void => {
    if (placed.has(cluster)) return;
    for (const on of dependenciesOf(cluster, dependsOn)) place(on);
    placed.add(cluster);
  };
  clusters.forEach(place);
  return [...placed];
}

function shapeRefusals({ clusters, waves: asked }: Wanted, waves: readonly Wave[]): readonly Refusal[] {
  if (asked.length === 0) return [];
  const empty = waves.flatMap((wave, index): readonly Refusal[] =>
    wave.clusters.length > 0
      ? []
      : [{ pointer: `/waves/${index}`, code: 'WAVE_EMPTY', detail: 'No cluster is left for this wave. Leave it out.' }],
  );
  const left = strangers(
    clusters,
    waves.flatMap((wave) => wave.clusters),
  );
  if (left.length === 0) return empty;
  const detail = `In no wave: ${left.join(', ')}. Name them, or end with a wave {} that takes all that are left.`;
  return [...empty, { pointer: '/waves', code: 'CLUSTER_IN_NO_WAVE', detail }];
}

function laterRefusals({ dependsOn }: Wanted, waves: readonly Wave[]): readonly Refusal[] {
  const waveOf = (cluster: string): number => waves.findIndex((wave) => wave.clusters.includes(cluster)) + 1;
  return dependsOn.flatMap((entry, index) =>
    entry.on.flatMap((on, place): readonly Refusal[] => {
      if (waveOf(on) <= waveOf(entry.cluster)) return [];
      const detail = `${entry.cluster} is in wave ${waveOf(entry.cluster)} and depends on ${on}, which is in wave ${waveOf(on)}.`;
      return [{ pointer: `/dependsOn/${index}/on/${place}`, code: 'DEPENDS_ON_LATER_WAVE', detail }];
    }),
  );
}
