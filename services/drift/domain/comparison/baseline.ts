import { compareVersions } from '@understudy/cluster';
import type { Environment } from '@understudy/cluster';
import type { Fact, NodeFacts, Severity } from './facts.js';
import { factNamed, shown } from './facts.js';

/** Named values that nodes must have, whatever their peers say. An owner writes it; drift compares every node with it. */
export interface Baseline {
  readonly name: string;
  readonly description: string;
  /** Every part that is given must fit; an empty selection fits every cluster. */
  readonly appliesTo: {
    readonly environments?: readonly Environment[];
    readonly platforms?: readonly string[];
    readonly clusters?: readonly string[];
  };
  readonly requirements: readonly Requirement[];
}

/** Exactly one of `value`, `atLeast`, `oneOf`, `absent` is given; `atLeast` compares versions and numbers. */
export interface Requirement {
  readonly area: string;
  readonly name: string;
  readonly value?: string;
  readonly atLeast?: string;
  readonly oneOf?: readonly string[];
  readonly absent?: true;
  readonly severity: Severity;
  /** Why the owner requires it; shown with a finding. */
  readonly reason?: string;
}

export interface Described {
  readonly cluster: string;
  readonly platform: string;
  readonly environment: Environment;
}

export function applies(baseline: Baseline, cluster: Described): boolean {
  const { environments, platforms, clusters } = baseline.appliesTo;
  return (
    (environments?.includes(cluster.environment) ?? true) &&
    (platforms?.includes(cluster.platform) ?? true) &&
    (clusters?.includes(cluster.cluster) ?? true)
  );
}

export interface Breach {
  readonly requirement: Requirement;
  readonly value: string;
  readonly expected: string;
}

/** Requirements that this node breaks. An absent fact of an incomplete node is not known to break anything. */
export function breaches(node: NodeFacts, baseline: Baseline): readonly Breach[] {
  return baseline.requirements.flatMap((requirement) => {
    const fact = factNamed(node.facts, requirement.area, requirement.name);
    if (fact === undefined && (node.missing.length > 0 || requirement.absent === true)) return [];
    if (fact !== undefined && meets(fact, requirement)) return [];
    return [{ requirement, value: shown(fact), expected: expectation(requirement) }];
  });
}

function meets(fact: Fact, requirement: Requirement): boolean {
  if (requirement.absent === true) return false;
  if (requirement.atLeast !== undefined) return compareVersions(fact.value, requirement.atLeast) >= 0;
  return (requirement.oneOf ?? [requirement.value]).includes(fact.value);
}

function expectation(requirement: Requirement): string {
  if (requirement.absent === true) return 'absent';
  if (requirement.atLeast !== undefined) return `at least ${requirement.atLeast}`;
  return (requirement.oneOf ?? [requirement.value]).join(' or ');
}
