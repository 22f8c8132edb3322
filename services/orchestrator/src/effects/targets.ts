import type { ClusterDefinition } from '@understudy/cluster';
import type { Fence, Host } from '@understudy/hosts';
import type { ClusterTarget, PlatformDriver, Secret } from '@understudy/platforms';

const RAISE_DEADLINE_MS = 5_000;

/** A cluster as the effects reach it: its driver and an open target. */
export interface OpenCluster {
  readonly driver: PlatformDriver;
  readonly target: ClusterTarget;
}

export interface TargetSources {
  readonly driver: (platform: string) => PlatformDriver;
  readonly openHosts: (definition: ClusterDefinition) => Readonly<Record<string, Host>>;
  /** Resolves a credential's name for the hosts it will be used on; throws with a clear sentence. */
  readonly secret: (name: string, hosts: readonly string[]) => Secret;
  readonly now: () => number;
}

/**
 * Open clusters by definition: a changed definition opens anew. Secrets are resolved at each use, so that a rotated
 * password counts at once.
 */
export class Targets {
  private readonly open = new Map<string, { text: string; hosts: Readonly<Record<string, Host>> }>();

  constructor(private readonly sources: TargetSources) {}

  async openCluster(definition: ClusterDefinition): Promise<OpenCluster> {
    const hosts = await this.hostsOf(definition);
    const addresses = definition.nodes.map((node) => node.settings['address'] ?? node.host);
    const secrets: Record<string, Secret> = {};
    for (const [purpose, name] of Object.entries(definition.credentials)) secrets[purpose] = this.sources.secret(name, addresses);
    return { driver: this.sources.driver(definition.platform), target: { definition, hosts, secrets, now: this.sources.now } };
  }

  /**
   * Lets this owner in and every earlier one out, on every host that carries a node. A host that does not answer is left
   * out: its own acts will find it again. Answers the sentence of a host that has seen a later owner, or null.
   */
  async raise(definition: ClusterDefinition, fence: Fence): Promise<string | null> {
    const hosts = await this.hostsOf(definition);
    const carrying = [...new Set(definition.nodes.map((node) => node.host))];
    const answers = await Promise.all(
      carrying.map(async (slug) => {
        const answer = await hosts[slug]?.journal.raise(fence, RAISE_DEADLINE_MS);
        return answer?.status === 'fenced'
          ? `Host ${slug} has seen epoch ${answer.seen.epoch} of log ${answer.seen.logId}.`
          : null;
      }),
    );
    return answers.find((answer) => answer !== null) ?? null;
  }

  async close(): Promise<void> {
    const all = [...this.open.values()];
    this.open.clear();
    await Promise.all(all.flatMap((entry) => Object.values(entry.hosts).map((host) => host.access.close())));
  }

  private async hostsOf(definition: ClusterDefinition): Promise<Readonly<Record<string, Host>>> {
    const text = JSON.stringify(definition.hosts);
    const known = this.open.get(definition.slug);
    if (known?.text === text) return known.hosts;
    const hosts = this.sources.openHosts(definition);
    this.open.set(definition.slug, { text, hosts });
    if (known) await Promise.all(Object.values(known.hosts).map((host) => host.access.close()));
    return hosts;
  }
}
