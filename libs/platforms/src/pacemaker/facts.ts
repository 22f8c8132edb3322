import type { Fact, NodeFacts } from '../platform.js';
import { observePacemaker } from './observe.js';
import type { Session } from './session.js';
import type { PacemakerNode, PacemakerSnapshot } from './snapshot.js';
import { memberOf, stackOf, viewOf } from './topology.js';
import { versionsOf } from './versions.js';

/** Cluster properties that hold no secret, and decide what Pacemaker does when a node goes. */
const PROPERTIES = new Set(
  `stonith-enabled stonith-action stonith-timeout no-quorum-policy symmetric-cluster maintenance-mode stop-all-resources have-watchdog
  cluster-recheck-interval dc-deadtime start-failure-is-fatal shutdown-lock placement-strategy concurrent-fencing
  enable-startup-probes priority-fencing-delay node-health-strategy`.split(/\s+/),
);
const META = new Set(
  `resource-stickiness migration-threshold failure-timeout is-managed target-role promotable notify interleave ordered clone-max
  clone-node-max promoted-max promoted-node-max master-max globally-unique priority critical`.split(/\s+/),
);
const MOST_FACTS = 300;

/** Facts of every node: its stack, and the configuration as it is seen from there. Parameters of resources stay on the hosts. */
export async function collectFacts(session: Session, deadlineMs: number): Promise<readonly NodeFacts[]> {
  const snapshot = await observePacemaker(session, deadlineMs);
  return snapshot.nodes.map((node) => factsOf(snapshot, node));
}

/** Pure. */
export function factsOf(snapshot: PacemakerSnapshot, node: PacemakerNode): NodeFacts {
  const missing = [
    ...(node.stack.seen ? [] : [`host ${node.host}: ${node.stack.reason}`]),
    ...(node.view.says === 'nothing' ? [`the cluster's configuration: ${node.view.reason}`] : []),
  ];
  const facts = [...stackFacts(snapshot, node), ...clusterFacts(node), ...resourceFacts(node)];
  return { node: node.node, collectedAt: snapshot.observedAt, facts: facts.slice(0, MOST_FACTS), missing };
}

function stackFacts(snapshot: PacemakerSnapshot, node: PacemakerNode): readonly Fact[] {
  const stack = stackOf(node);
  const versions = Object.entries(versionsOf(node)).flatMap(([name, { installed, running }]) =>
    installed === null
      ? []
      : [{ area: 'package', name, value: installed, ...(running === installed ? {} : { runningValue: running ?? 'another' }) }],
  );
  const health = memberOf(snapshot, node)?.health;
  return [
    ...versions,
    ...(stack?.corosyncConf ? [{ area: 'corosync', name: 'corosync.conf', value: `sha256 ${stack.corosyncConf}` }] : []),
    ...(health === undefined ? [] : [{ area: 'pacemaker', name: 'health', value: health }]),
  ];
}

function clusterFacts(node: PacemakerNode): readonly Fact[] {
  const view = viewOf(node);
  if (view === undefined) return [];
  const properties = Object.entries(view.cib.properties).filter(([name]) => PROPERTIES.has(name));
  const votes = {
    'expected votes': view.quorum.expected,
    flags: view.quorum.flags.filter((flag) => flag !== 'Quorate').join(' '),
  };
  return [
    ...properties.map(([name, value]) => ({ area: 'pacemaker', name, value })),
    ...Object.entries(votes).map(([name, value]) => ({ area: 'corosync', name, value: String(value) })),
    ...(view.cib.defaultStickiness === null
      ? []
      : [{ area: 'pacemaker', name: 'default resource-stickiness', value: String(view.cib.defaultStickiness) }]),
  ];
}

/** What each resource is, and how it is run; constraints of the owner's. */
function resourceFacts(node: PacemakerNode): readonly Fact[] {
  const view = viewOf(node);
  if (view === undefined) return [];
  const resources = view.cib.resources.flatMap(({ id, type, meta, operations }) => [
    { area: 'resource', name: id, value: type },
    ...Object.entries(meta)
      .filter(([name]) => META.has(name))
      .map(([name, value]) => ({ area: 'resource', name: `${id} ${name}`, value })),
    ...Object.entries(operations).map(([name, value]) => ({ area: 'resource', name: `${id} ${name}`, value })),
  ]);
  const constraints = view.cib.constraints
    .filter(({ id }) => !id.startsWith('understudy-'))
    .map(({ id, kind, resource, member, role, score }) => ({
      area: 'constraint',
      name: id,
      value: [kind, resource, member, role, score].filter(Boolean).join(' '),
    }));
  return [...resources, ...constraints];
}
