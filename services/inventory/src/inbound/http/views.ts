import type { ClusterDefinition, ClusterSnapshot, NodeSnapshot } from '@understudy/cluster';
import type { Classification, FactsCollected } from '@understudy/inventory-domain';
import type { ClusterRow, DebtRow, LastLookRow } from '../../projections/catalogue/entities.js';
import type { Preview } from '../../use-cases/clusters.js';

/** Pure: rows and looks as the API shows them. The platform's own word always stands beside ours. */
export function clusterView(
  definition: ClusterDefinition,
  revision: number,
  classification: Classification | null,
  retired = false,
): object {
  return { slug: definition.slug, revision, status: retired ? 'retired' : 'registered', definition, classification };
}

export function rowView(row: ClusterRow): object {
  return clusterView(row.definition, row.revision, row.classification, row.retired);
}

export function topologyView(
  cluster: string,
  snapshot: ClusterSnapshot | null,
  classification: Classification | null,
  lastLook: LastLookRow | null,
): object {
  return {
    cluster,
    observedAt: snapshot?.observedAt ?? null,
    complete: snapshot?.complete ?? false,
    nodes: (snapshot?.nodes ?? []).map(nodeView),
    disagreements: snapshot?.disagreements ?? [],
    classification,
    lastLook:
      lastLook === null ? null : { at: lastLook.lookedAt.toISOString(), complete: lastLook.complete, problem: lastLook.problem },
  };
}

function nodeView(node: NodeSnapshot): object {
  const { promotion, systemIdentifier: _identity, timeline: _timeline, logEnd: _end, bootId: _bootId, ...shown } = node;
  return {
    ...shown,
    promotable: promotion.promotable,
    notPromotableBecause: promotion.promotable ? null : promotion.reason,
  };
}

/** A secret's keyed hash stays here: equal and different are told by drift. */
export function factsView(cluster: string, facts: FactsCollected | null): object {
  return {
    cluster,
    activeNode: facts?.activeNode === undefined || facts.activeNode === '' ? null : facts.activeNode,
    nodes: (facts?.nodes ?? []).map((node) => ({
      node: node.node,
      collectedAt: node.collectedAt,
      missing: node.missing,
      facts: node.facts.map(({ area, name, value, runningValue, secret }) => ({
        area,
        name,
        value: secret === true ? null : value,
        ...(runningValue === undefined ? {} : { runningValue: secret === true ? null : runningValue }),
        secret: secret === true,
      })),
    })),
  };
}

export function debtView(row: DebtRow): object {
  const { position: _position, availableSince, ...debt } = row;
  return { ...debt, availableSince: availableSince.toISOString() };
}

/** What a registration would find, to be read by a person. */
export function previewView({ definition, look, classification }: Preview): object {
  const { slug, environment, platform, nodes } = definition;
  const head = `${slug} (${environment}, ${platform}): ${count(nodes.length, 'node')} on ${count(new Set(nodes.map((node) => node.host)).size, 'host')}.`;
  const summary = look.seen
    ? [head, ...look.snapshot.nodes.map(nodeSentence), ...look.snapshot.disagreements, verdict(classification)]
    : [head, `It could not be looked at: ${look.reason}. It can be registered all the same; the observer tries again and again.`];
  return {
    dryRun: true,
    cluster: slug,
    summary,
    classification: classification ?? null,
    topology: look.seen ? topologyView(slug, look.snapshot, classification ?? null, null) : null,
    next: 'Nothing was stored. Send the same document without dryRun to register it.',
  };
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

function nodeSentence(node: NodeSnapshot): string {
  const roles = Object.entries(node.roles).map(([workload, role]) => `${role} for ${workload}`);
  const versions = Object.entries(node.versions).map(([item, version]) => versionWords(item, version.installed, version.running));
  const lag = node.lag === null ? [] : [`${node.lag.bytes} bytes behind (it may be promoted up to ${node.lag.ceilingBytes})`];
  const why = node.promotion.promotable ? [] : [`must not become active: ${node.promotion.reason}`];
  const told = [...(roles.length === 0 ? ['no role seen'] : roles), ...lag, ...versions, ...why];
  return `${node.node} is ${node.availability} (${node.native}): ${told.join(', ')}.`;
}

function versionWords(item: string, installed: string | null, running: string | null): string {
  if (installed === running) return `${item} ${running ?? 'of unknown version'}`;
  return `${item} ${running ?? 'not running'}, ${installed ?? 'nothing'} installed`;
}

function verdict(classification: Classification | undefined): string {
  if (classification === undefined) return '';
  const can = classification.rolling
    ? 'A rolling patch can be planned.'
    : 'It cannot roll: a rollout would be refused, with a downtime plan instead.';
  return `HA layer: ${classification.haLayer}. ${classification.reason} ${can}`;
}
