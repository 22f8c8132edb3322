import type { CollectedFacts, Fact, Finding, NodeFacts } from './facts.js';
import { factNamed, findingId, fnv64, shown } from './facts.js';
import type { Baseline, Described } from './baseline.js';
import { applies, breaches } from './baseline.js';
import { faultsOf } from './alone.js';
import { belowRunning, ruleFor } from './rules.js';

/** A finding and a mark of the two values behind it: a waiver accepts these values and no others. */
export interface Seen {
  readonly finding: Finding;
  readonly mark: string;
}

export interface Comparison {
  readonly findings: readonly Seen[];
  /** Nodes that could not be judged wholly, each with the reason. */
  readonly incomplete: readonly string[];
  /** Differences that could have been told had these nodes been complete: what was open there stays open. */
  readonly undecided: (finding: Finding) => boolean;
}

/**
 * Every standby against the node that serves (what would it need to serve as the active did?), every node by itself,
 * and every node against the baselines that apply.
 * @param expectedItems items that a running rollout is changing: different versions of them are no drift.
 * @param members the nodes that are registered; one without facts makes the comparison incomplete.
 */
export function compare(
  cluster: Described,
  members: readonly string[],
  collected: CollectedFacts,
  baselines: readonly Baseline[],
  expectedItems: readonly string[],
): Comparison {
  const active = collected.nodes.find((node) => node.node === collected.activeNode);
  const complete = new Set(collected.nodes.filter((node) => node.missing.length === 0).map((node) => node.node));
  return {
    findings: [
      ...(active === undefined ? [] : againstActive(cluster.cluster, active, collected.nodes, expectedItems)),
      ...collected.nodes.flatMap((node) => alone(cluster.cluster, node, node.node !== collected.activeNode)),
      ...baselines
        .filter((baseline) => applies(baseline, cluster))
        .flatMap((baseline) => againstBaseline(cluster.cluster, collected.nodes, baseline)),
    ],
    incomplete: incomplete(members, collected),
    undecided: ({ node, against }) =>
      !complete.has(node) || (members.includes(against) && (active === undefined || !complete.has(against))),
  };
}

function incomplete(members: readonly string[], collected: CollectedFacts): readonly string[] {
  const byNode = members.flatMap((member) => {
    const node = collected.nodes.find((candidate) => candidate.node === member);
    if (node === undefined) return [`${member}: no facts were collected`];
    return node.missing.length === 0 ? [] : [`${member}: ${node.missing.join('; ')}`];
  });
  if (members.length === 0) return ['the cluster is not registered, so no node is known'];
  const named = collected.nodes.some((node) => node.node === collected.activeNode);
  if (members.length === 1 || named) return byNode;
  return [...byNode, 'no single serving node was seen, so no standby could be compared with it'];
}

function againstActive(
  cluster: string,
  active: NodeFacts,
  nodes: readonly NodeFacts[],
  expectedItems: readonly string[],
): readonly Seen[] {
  const peers = (standby: NodeFacts): readonly string[] => nodes.filter((node) => node !== standby).flatMap(namesOf);
  return nodes
    .filter((node) => node.node !== active.node)
    .flatMap((standby) =>
      differing(standby, active)
        .filter((pair) => !expected(pair, expectedItems))
        .flatMap((pair) => judged(cluster, standby, active, { ...pair, peers: peers(standby) })),
    );
}

/** How a node may be called in another node's replication settings. */
function namesOf(node: NodeFacts): readonly string[] {
  const clusterName = factNamed(node.facts, 'setting', 'cluster_name')?.value;
  const applicationName = factNamed(node.facts, 'replication', 'application_name')?.value;
  return [node.node, clusterName, applicationName].filter((name): name is string => name !== undefined && name !== '');
}

interface Pair {
  readonly area: string;
  readonly name: string;
  readonly standby: Fact | undefined;
  readonly active: Fact | undefined;
}

/** Facts that differ. An absent fact of an incomplete node is not known to be absent. */
function differing(standby: NodeFacts, active: NodeFacts): readonly Pair[] {
  const keys = new Map([...active.facts, ...standby.facts].map((fact) => [JSON.stringify([fact.area, fact.name]), fact]));
  return [...keys.values()].flatMap(({ area, name }) => {
    const pair: Pair = { area, name, standby: factNamed(standby.facts, area, name), active: factNamed(active.facts, area, name) };
    if (pair.standby === undefined && standby.missing.length > 0) return [];
    if (pair.active === undefined && active.missing.length > 0) return [];
    return same(pair) ? [] : [pair];
  });
}

/** Equal values may still hide a standby below what the active node runs with: a lowered file that is not loaded yet. */
function same(pair: Pair): boolean {
  return (
    pair.standby !== undefined && pair.active !== undefined && pair.standby.value === pair.active.value && !belowRunning(pair)
  );
}

const VERSION_AREAS = ['version', 'package', 'extension', 'library'];

function expected(pair: Pair, expectedItems: readonly string[]): boolean {
  return VERSION_AREAS.includes(pair.area) && expectedItems.includes(pair.name);
}

function judged(
  cluster: string,
  standby: NodeFacts,
  active: NodeFacts,
  difference: Pair & { readonly peers: readonly string[] },
): readonly Seen[] {
  const rule = ruleFor(difference);
  const equal = difference.standby?.value === difference.active?.value;
  if (rule.severity === 'expected') return [];
  const { area, name } = difference;
  const finding: Finding = {
    findingId: findingId(cluster, standby.node, active.node, area, name),
    cluster,
    node: standby.node,
    against: active.node,
    area,
    name,
    value: difference.standby?.secret === true ? 'different (hidden)' : shown(difference.standby),
    expected: shownActive(difference.active, equal),
    severity: rule.severity,
    detail: `${rule.why} ${rule.todo}`,
  };
  return [{ finding, mark: mark(difference.standby, difference.active) }];
}

/** What the active node has; where the files agree and it still runs with another value, that one. */
function shownActive(active: Fact | undefined, equal: boolean): string {
  return equal ? String(active?.runningValue) : shown(active);
}

/** Equal marks = the same two values; nothing of a value can be read from it. */
function mark(...facts: readonly (Fact | undefined)[]): string {
  return fnv64(JSON.stringify(facts.map((fact) => [fact?.value ?? null, fact?.runningValue ?? null])));
}

function alone(cluster: string, node: NodeFacts, isStandby: boolean): readonly Seen[] {
  return faultsOf(node, isStandby).map(({ fact, expected: wanted, severity, detail }) => ({
    finding: {
      findingId: findingId(cluster, node.node, node.node, fact.area, fact.name),
      cluster,
      node: node.node,
      against: node.node,
      area: fact.area,
      name: fact.name,
      value: shown(fact),
      expected: wanted,
      severity,
      detail,
    },
    mark: mark(fact),
  }));
}

function againstBaseline(cluster: string, nodes: readonly NodeFacts[], baseline: Baseline): readonly Seen[] {
  const against = `baseline:${baseline.name}`;
  return nodes.flatMap((node) =>
    breaches(node, baseline).map(({ requirement, value, expected: wanted }) => ({
      finding: {
        findingId: findingId(cluster, node.node, against, requirement.area, requirement.name),
        cluster,
        node: node.node,
        against,
        area: requirement.area,
        name: requirement.name,
        value,
        expected: wanted,
        severity: requirement.severity,
        detail: `${requirement.reason ?? `Baseline "${baseline.name}" requires it.`} Bring the node to it, or change the baseline.`,
      },
      mark: fnv64(JSON.stringify([mark(factNamed(node.facts, requirement.area, requirement.name)), wanted])),
    })),
  );
}
