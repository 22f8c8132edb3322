import { tableOf, type ClusterDefinition, type ClusterSnapshot } from '@understudy/cluster';
import type { PatchSource } from '@understudy/hosts';
import type { GateInputs, RolloutState } from '@understudy/orchestrator-domain';
import type { ClusterTarget } from '@understudy/platforms';
import { redactText } from '@understudy/runtime';
import { withinDeadline, type Peers } from '../peers.js';
import { definitionOf, hostNamed, messageOf } from './perform.js';
import { picture } from './picture.js';
import type { OpenCluster, Targets } from './targets.js';

const LOOK_DEADLINE_MS = 5_000;
const PEER_DEADLINE_MS = 3_000;

/** Identities of our own store and machine, so that we never patch ourselves. */
export interface OwnIdentities {
  readonly systemIdentifiers: readonly string[];
  readonly machineIds: readonly string[];
}

export interface GateTools {
  readonly targets: Targets;
  readonly peers: Peers;
  readonly patchSource: (name: string) => PatchSource;
  readonly fingerprint: (open: OpenCluster, snapshot: ClusterSnapshot) => Promise<string | null>;
  readonly neighbours: (definition: ClusterDefinition) => Promise<GateInputs['neighbours']>;
  readonly claimedBy: (host: string) => Promise<string | null>;
  readonly rehearsal: (definition: ClusterDefinition) => Promise<GateInputs['rehearsal']>;
  readonly own: () => Promise<OwnIdentities>;
}

/** Collects what gates judge: looks at the cluster now and reads facts once more from the services that own them. */
export class GateInputCollector {
  constructor(private readonly tools: GateTools) {}

  async collect(state: RolloutState): Promise<GateInputs> {
    const definition = definitionOf(state);
    const [own, haLayer, drift, ticket, rehearsal] = await Promise.all([
      this.tools.own(),
      withinDeadline(this.tools.peers.haLayer(definition.slug, PEER_DEADLINE_MS), PEER_DEADLINE_MS),
      this.drift(state, definition.slug),
      withinDeadline(this.tools.peers.change(state.planned?.windowId ?? '', PEER_DEADLINE_MS), PEER_DEADLINE_MS),
      withinDeadline(this.tools.rehearsal(definition), PEER_DEADLINE_MS),
    ]);
    const shared = { own, haLayer, drift, ticket, rehearsal, claimed: await this.claimed(definition, state) };
    try {
      const open = await this.tools.targets.openCluster(definition);
      return { ...shared, ...(await this.seen(open, state)) };
    } catch (error) {
      const probe = { available: false, detail: messageOf(error) };
      return { ...shared, snapshot: null, wayBack: [], probe, topologyFingerprint: null, machineIds: {}, neighbours: [] };
    }
  }

  private async drift(state: RolloutState, cluster: string): Promise<GateInputs['drift']> {
    const requestId = state.drift?.requestId ?? state.driftRequest?.requestId;
    if (requestId === undefined) return null;
    return withinDeadline(this.tools.peers.driftAssessment(cluster, requestId, PEER_DEADLINE_MS), PEER_DEADLINE_MS);
  }

  private async seen(
    open: OpenCluster,
    state: RolloutState,
  ): Promise<Pick<GateInputs, 'snapshot' | 'wayBack' | 'probe' | 'topologyFingerprint' | 'machineIds' | 'neighbours'>> {
    const { snapshot, ofPlatform } = await picture(
      open,
      state.planned?.patchSet.items ?? [],
      this.tools.patchSource,
      LOOK_DEADLINE_MS,
    );
    const [wayBack, probe, topologyFingerprint, machineIds, neighbours] = await Promise.all([
      this.wayBack(open, state),
      this.probe(open),
      this.tools.fingerprint(open, ofPlatform),
      machineIdsOf(open.target),
      this.tools.neighbours(open.target.definition),
    ]);
    return { snapshot, wayBack, probe, topologyFingerprint, machineIds, neighbours };
  }

  private async wayBack(open: OpenCluster, state: RolloutState): Promise<GateInputs['wayBack']> {
    const items = state.planned?.patchSet.items ?? [];
    const pairs = open.target.definition.nodes.flatMap((node) => items.map((item) => ({ node, item })));
    return Promise.all(
      pairs.map(async ({ node, item }) => {
        try {
          const host = open.target.hosts[node.host];
          if (!host) throw new Error(`Node ${node.slug} names host ${node.host}, which the cluster does not have.`);
          const check = await this.tools.patchSource(item.source).check(host, item, LOOK_DEADLINE_MS);
          const failed = check.checks.filter((result) => result.passed !== true);
          const detail = failed.length > 0 ? failed.map((result) => result.detail).join(' ') : check.wayBack.detail;
          const seen = {
            node: node.slug,
            proven: check.wayBack.proven,
            applicable: failed.length === 0,
            detail: redactText(detail),
          };
          const changes = check.transaction;
          return changes === undefined ? seen : { ...seen, transaction: { item: item.name, changes } };
        } catch (error) {
          return { node: node.slug, proven: false, applicable: false, detail: messageOf(error) };
        }
      }),
    );
  }

  private async probe(open: OpenCluster): Promise<GateInputs['probe']> {
    const { probeHost: slug, hosts } = open.target.definition;
    const host = slug === undefined ? undefined : open.target.hosts[slug];
    if (!host)
      return {
        available: false,
        detail: 'The cluster names no probe host, so no interruption can be measured. Register one as `probeHost`.',
      };
    if (hosts.some((each) => each.slug === slug && each.access.kind !== 'local'))
      return {
        available: false,
        detail: `Probe host ${slug} is another machine, and the probe runs on Understudy's own alone. Register a host of access \`local\`.`,
      };
    const answer = await host.access.run({ argv: ['node', '--version'], deadlineMs: LOOK_DEADLINE_MS });
    if (answer.status === 'exited' && answer.code === 0)
      return { available: true, detail: `Probe host ${slug} has Node ${answer.stdout.trim()}.` };
    const why = answer.status === 'unknown' ? answer.reason : answer.stderr.trim();
    return { available: false, detail: `Probe host ${slug} cannot run Node: ${why}` };
  }

  private async claimed(definition: ClusterDefinition, state: RolloutState): Promise<GateInputs['claimed']> {
    const hosts = [...new Set(definition.nodes.map((node) => node.host))];
    const pairs = await Promise.all(hosts.map(async (host) => [host, await this.tools.claimedBy(host)] as const));
    return tableOf(
      pairs.filter((pair): pair is readonly [string, string] => pair[1] !== null && pair[1] !== state.planned?.rolloutId),
    );
  }
}

/** `/etc/machine-id` of each host that carries a node; empty where a host has none. Throws when a host does not answer: its identity is not guessed. */
async function machineIdsOf({ definition, hosts }: ClusterTarget): Promise<Readonly<Record<string, string>>> {
  const carrying = new Set(definition.nodes.map(({ host }) => host));
  const pairs = await Promise.all(
    [...carrying].map(async (slug) => {
      const answer = await hostNamed(hosts, slug).access.run({ argv: ['cat', '/etc/machine-id'], deadlineMs: LOOK_DEADLINE_MS });
      if (answer.status === 'unknown') throw new Error(`Host ${slug} could not be asked which machine it is: ${answer.reason}`);
      return [slug, answer.code === 0 ? answer.stdout.trim() : ''] as const;
    }),
  );
  return tableOf(pairs.filter(([, machineId]) => machineId !== ''));
}
