import { secretPlaces, type ClusterDefinition } from '@understudy/cluster';
import type { Fence, Host } from '@understudy/hosts';
import type { ClusterTarget, PlatformDriver, Secret } from '@understudy/platforms';

const RAISE_DEADLINE_MS = 5_000;
/** Positions in a log begin at 1, and an adoption is never the first event. */
const LOWEST_EPOCH = 1;

/** Whether every host of a cluster obeys this owner now, and who stands in the way. */
export interface Raised {
  readonly raised: boolean;
  /** A host that knows a later owner, or another log; then nothing of ours may be done. */
  readonly by: { readonly host: string; readonly logId: string; readonly epoch: number } | null;
  /** Hosts that did not answer: an earlier owner may still be acting there. */
  readonly unreachable: readonly string[];
}

/** What a host obeys now; null = nobody yet, or it did not answer. */
export interface HostSeen {
  readonly host: string;
  readonly seen: Fence | null;
  readonly answered: boolean;
}

/** Keys of acts in a host's journal; none where it did not answer. */
export interface HostKeys {
  readonly host: string;
  readonly keys: readonly string[];
}

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
  private readonly open = new Map<string, Readonly<Record<string, Host>>>();
  /** The same, without a look into the definition: a rollout asks with one and the same again and again. */
  private readonly known = new WeakMap<ClusterDefinition, Readonly<Record<string, Host>>>();

  constructor(private readonly sources: TargetSources) {}

  async openCluster(definition: ClusterDefinition): Promise<OpenCluster> {
    const hosts = this.hostsOf(definition);
    const secrets: Record<string, Secret> = {};
    for (const [purpose, name] of Object.entries(definition.credentials)) {
      const places = new Set(secretPlaces(definition, purpose).map(({ target }) => target));
      secrets[purpose] = this.sources.secret(name, [...places]);
    }
    return { driver: this.sources.driver(definition.platform), target: { definition, hosts, secrets, now: this.sources.now } };
  }

  /**
   * Which epoch each host obeys. Asked by raising the lowest epoch there is: a host that has seen a higher one refuses, says which,
   * and changes nothing; one that has seen none belongs to this log from now on.
   */
  async seen(definition: ClusterDefinition, logId: string): Promise<readonly HostSeen[]> {
    return this.onEach(definition, async (host, slug) => {
      const answer = await host?.journal.raise({ logId, epoch: LOWEST_EPOCH }, RAISE_DEADLINE_MS);
      const answered = answer !== undefined && answer.status !== 'unknown';
      return { host: slug, seen: answer?.status === 'fenced' ? answer.seen : null, answered };
    });
  }

  /** Acts in the journals of these hosts whose keys begin so. */
  async keys(definition: ClusterDefinition, prefix: string, of: ReadonlySet<string>): Promise<readonly HostKeys[]> {
    return this.onEach(definition, async (host, slug) => {
      if (!of.has(slug)) return { host: slug, keys: [] };
      const answer = await host?.journal.entries(prefix, RAISE_DEADLINE_MS);
      return { host: slug, keys: answer?.status === 'read' ? answer.entries.map(({ key }) => key) : [] };
    });
  }

  private onEach<T>(
    definition: ClusterDefinition,
    ask: (host: Host | undefined, slug: string) => Promise<T>,
  ): Promise<readonly T[]> {
    const hosts = this.hostsOf(definition);
    return Promise.all([...new Set(definition.nodes.map((node) => node.host))].map((slug) => ask(hosts[slug], slug)));
  }

  /** Lets this owner in and every earlier one out, on these hosts; every other one that carries a node counts as unreachable. */
  async raise(definition: ClusterDefinition, fence: Fence, on: ReadonlySet<string>): Promise<Raised> {
    const answers = await this.onEach(definition, async (host, slug) => ({
      slug,
      answer: on.has(slug) ? await host?.journal.raise(fence, RAISE_DEADLINE_MS) : undefined,
    }));
    const unreachable = answers
      .filter(({ answer }) => answer === undefined || answer.status === 'unknown')
      .map(({ slug }) => slug);
    for (const { slug, answer } of answers) {
      if (answer?.status !== 'fenced') continue;
      const { seen } = answer;
      return { raised: false, by: { host: slug, logId: seen.logId, epoch: seen.epoch }, unreachable };
    }
    return { raised: unreachable.length === 0, by: null, unreachable };
  }

  async close(): Promise<void> {
    const all = [...this.open.values()];
    this.open.clear();
    await Promise.all(all.flatMap((hosts) => Object.values(hosts).map((host) => host.access.close())));
  }

  /** A changed definition opens anew and closes nothing: a rollout under way goes on with what it was admitted for. */
  private hostsOf(definition: ClusterDefinition): Readonly<Record<string, Host>> {
    const known = this.known.get(definition);
    if (known) return known;
    const key = JSON.stringify(definition.hosts);
    const hosts = this.open.get(key) ?? this.sources.openHosts(definition);
    this.open.set(key, hosts);
    this.known.set(definition, hosts);
    return hosts;
  }
}
