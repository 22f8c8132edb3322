/** What inventory collected, as this service sees it. Secret values are keyed hashes: equal or different, nothing else. */
export interface Fact {
  readonly area: string;
  readonly name: string;
  /** The value it will have after a reload or restart: what drift compares. */
  readonly value: string;
  /** The running value where it differs. */
  readonly runningValue?: string;
  readonly secret?: true;
}

export interface NodeFacts {
  readonly node: string;
  /** RFC 3339, UTC. */
  readonly collectedAt: string;
  readonly facts: readonly Fact[];
  /** What could not be collected, and why. Not empty = an absent fact of this node means nothing. */
  readonly missing: readonly string[];
}

export interface CollectedFacts {
  readonly nodes: readonly NodeFacts[];
  /** '' = none or several. */
  readonly activeNode: string;
}

export type Severity = 'blocking' | 'warning' | 'info';

/** One difference, as it is published. Ids are stable: the same difference has the same id at every look. */
export interface Finding {
  readonly findingId: string;
  readonly cluster: string;
  readonly node: string;
  /** A node's slug, the node itself (a fault that needs no comparison), or `baseline:<name>`. */
  readonly against: string;
  readonly area: string;
  readonly name: string;
  readonly value: string;
  readonly expected: string;
  readonly severity: Severity;
  /** Why it matters and what to do. */
  readonly detail: string;
}

export const HIDDEN = '(hidden)';
export const ABSENT = '(absent)';

export function factNamed(facts: readonly Fact[], area: string, name: string): Fact | undefined {
  return facts.find((fact) => fact.area === area && fact.name === name);
}

/** For a person: the value, or that it is kept hidden. */
export function shown(fact: Fact | undefined): string {
  if (fact === undefined) return ABSENT;
  return fact.secret === true ? HIDDEN : fact.value;
}

/** Derived from cluster, nodes, area and name alone, so that a finding keeps its id while its values move. */
export function findingId(cluster: string, node: string, against: string, area: string, name: string): string {
  return `f-${fnv64(JSON.stringify([cluster, node, against, area, name]))}`;
}

/** FNV-1a, 64 bit, over UTF-16 code units (Fowler, Noll, Vo; RFC 9923): a name, not a protection. */
export function fnv64(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (let i = 0; i < text.length; i++) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(text.charCodeAt(i))) * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, '0');
}
