import type { CollectedFacts, Fact, NodeFacts } from './facts.js';
import { ruleFor } from './rules.js';

/** A cluster as fidelity sees it. */
export interface Resembled {
  readonly platform: string;
  readonly members: number;
  readonly collected: CollectedFacts;
}

export interface Fidelity {
  /** 0 (nothing alike) to 100. */
  readonly score: number;
  /** What costs points, the dearest first, at most `REASONS_LIMIT`. */
  readonly reasons: readonly string[];
}

interface Part {
  readonly weight: number;
  /** 0 to 1. */
  readonly alike: number;
  readonly reason: string;
}

const REASONS_LIMIT = 12;
const NAMES_LIMIT = 5;

/** What each part is worth; the weights add up to 100. A rehearsal is worth what its versions and settings are worth. */
const AREAS = [
  { area: 'version', weight: 25 },
  { area: 'setting', weight: 25 },
  { area: 'extension', weight: 10 },
  { area: 'authentication', weight: 10 },
  { area: 'collation', weight: 10 },
] as const;
const PLATFORM_WEIGHT = 10;
const SHAPE_WEIGHT = 10;

/**
 * How far a lab cluster resembles the production cluster that it mirrors: the node that serves here against the node
 * that serves there, area by area, plus platform and number of nodes. What could not be seen counts as not alike.
 */
export function fidelity(lab: Resembled, production: Resembled): Fidelity {
  const parts: readonly Part[] = [
    {
      weight: PLATFORM_WEIGHT,
      alike: lab.platform === production.platform ? 1 : 0,
      reason: `platform: ${lab.platform} in the lab, ${production.platform} in production`,
    },
    {
      weight: SHAPE_WEIGHT,
      alike: Math.min(lab.members, production.members) / Math.max(lab.members, production.members, 1),
      reason: `nodes: ${lab.members} in the lab, ${production.members} in production`,
    },
    ...AREAS.map(({ area, weight }) =>
      areaPart(area, weight, representative(lab.collected), representative(production.collected)),
    ),
  ];
  const lost = parts.filter((part) => part.alike < 1).sort((a, b) => b.weight * (1 - b.alike) - a.weight * (1 - a.alike));
  return {
    score: Math.floor(parts.reduce((sum, part) => sum + part.weight * part.alike, 0)),
    reasons: lost.slice(0, REASONS_LIMIT).map((part) => part.reason),
  };
}

/** The node that serves; where it is not known, nothing can be said. */
function representative(collected: CollectedFacts): NodeFacts | undefined {
  return collected.nodes.find((node) => node.node === collected.activeNode);
}

function areaPart(area: string, weight: number, lab: NodeFacts | undefined, production: NodeFacts | undefined): Part {
  if (lab === undefined || production === undefined) {
    return {
      weight,
      alike: 0,
      reason: `${area}: not compared, no serving node was seen in ${lab === undefined ? 'the lab' : 'production'}`,
    };
  }
  const here = comparable(lab, area);
  const there = comparable(production, area);
  const names = [...new Set([...here.keys(), ...there.keys()])].sort();
  const different = names.filter((name) => here.get(name) !== there.get(name));
  if (names.length === 0) return { weight, alike: 1, reason: '' };
  const some = different.slice(0, NAMES_LIMIT).join(', ');
  const more = different.length > NAMES_LIMIT ? ` and ${different.length - NAMES_LIMIT} more` : '';
  return {
    weight,
    alike: 1 - different.length / names.length,
    reason: `${area}: ${different.length} of ${names.length} differ (${some}${more})`,
  };
}

/** Facts that every node has for itself say nothing about resemblance; neither do secrets. */
function comparable(node: NodeFacts, area: string): ReadonlyMap<string, string> {
  const counted = (fact: Fact): boolean =>
    fact.area === area &&
    fact.secret !== true &&
    ruleFor({ ...fact, standby: fact, active: undefined, peers: [] }).severity !== 'expected';
  return new Map(node.facts.filter(counted).map((fact) => [fact.name, fact.value]));
}
