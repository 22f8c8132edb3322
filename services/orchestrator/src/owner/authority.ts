/**
 * Whether this log may act on a rollout's hosts. The hosts remember which log and which epoch they obey and which acts were
 * entered; where they know more than the log does, the log is older than reality (an older copy was restored, or its server failed
 * over with loss) or is another one, and nothing of ours may be done.
 */
import type { ClusterDefinition } from '@understudy/cluster';
import type { Checkpoints, EventLog } from '@understudy/event-log';
import type { Fence } from '@understudy/hosts';
import type { RolloutState } from '@understudy/orchestrator-domain';
import type { HostKeys, HostSeen, Raised } from '../effects/targets.js';
import type { OwnEpoch } from '../handle.js';

/** Why this process must not act, as it is recorded. */
export interface Doubt {
  readonly what: string;
  readonly evidence: Readonly<Record<string, unknown>>;
}

export type Established =
  | { readonly by: 'us'; readonly everywhere: boolean; readonly unreachable: readonly string[] }
  /** A host obeys a later owner by this log's own order, as far as the hosts tell. */
  | { readonly by: 'another'; readonly doubt: Doubt }
  /** The hosts know what this log does not. */
  | { readonly by: 'nobody'; readonly doubt: Doubt };

export interface HostAuthority {
  seen(definition: ClusterDefinition, logId: string): Promise<readonly HostSeen[]>;
  raise(definition: ClusterDefinition, fence: Fence, on: ReadonlySet<string>): Promise<Raised>;
  keys(definition: ClusterDefinition, prefix: string, of: ReadonlySet<string>): Promise<readonly HostKeys[]>;
}

/** Epochs that this process has tried to raise, over all its rollouts, each with the hosts that may have seen it from us. */
export type GivenEpochs = Map<number, ReadonlySet<string>>;

export interface AuthorityTools {
  readonly hosts: HostAuthority;
  readonly log: Pick<EventLog, 'logId' | 'headPosition' | 'readAll' | 'readStream'>;
  readonly incarnation: string;
  readonly given: GivenEpochs;
  /** What was signed and exported of this log; undefined where nothing is. */
  readonly checkpoints: Pick<Checkpoints, 'checked'> | undefined;
}

/** The rollout that hosts are asked for. */
export interface Claimant {
  readonly rolloutId: string;
  readonly cluster: ClusterDefinition;
  readonly epoch: number;
  /** What its own stream says of the epochs that it had. */
  readonly epochs: readonly OwnEpoch[];
  readonly state: Pick<RolloutState, 'steps'>;
}

/** What the log says of the position that a host calls an epoch. */
export type EpochInLog =
  /** Before the log's end an adoption or an admission, and by which process, where it says so. */
  | { readonly event: 'ownership'; readonly incarnation: string | null }
  | { readonly event: 'other'; readonly type: string }
  | { readonly event: 'none'; readonly head: number };

const MEND =
  'Compare the log with what happened on the hosts. If this log shall go on all the same: remove .understudy/v1/fence in the root folder of each host, then resume.';

/** Another log's host; null = it obeys this one, or nobody yet. Pure. */
export function foreignLog({ host, seen }: HostSeen, logId: string): Doubt | null {
  if (seen === null || seen.logId === logId) return null;
  return {
    what: `Host ${host} obeys log ${seen.logId}, and this is log ${logId}: the log was renewed by a restore, or another installation acts there. Nothing is done. ${MEND}`,
    evidence: { host, obeys: seen, logId },
  };
}

/**
 * An epoch that a host has seen and that was not given by this log; null = it was. Pure. A host cannot have seen the epoch of this
 * very process before the process raised it: then the same position was given twice, once in a history that this log has lost.
 */
export function lostEpoch(host: string, seen: Fence, found: EpochInLog, incarnation: string): Doubt | null {
  const evidence = { host, obeys: seen, found };
  const older = `This log is older than reality: host ${host} obeys epoch ${seen.epoch} of it, `;
  const why = `An older copy of the database was restored, or its server failed over with loss. Nothing is done. ${MEND}`;
  switch (found.event) {
    case 'none':
      return { what: `${older}and the log ends at position ${found.head}. ${why}`, evidence };
    case 'other':
      return { what: `${older}and at that position stands no adoption but ${found.type}. ${why}`, evidence };
    case 'ownership':
      if (found.incarnation !== incarnation) return null;
      return { what: `${older}and this process, whose epoch it is, has not been there yet. ${why}`, evidence };
    default:
      return found satisfies never;
  }
}

/** Keys of a rollout in a host's journal that belong to no attempt that the steps know of. Pure. */
export function unknownAttempts(
  keys: readonly string[],
  rolloutId: string,
  state: Pick<RolloutState, 'steps'>,
): readonly string[] {
  const attempts = new Map(state.steps.map(({ step, attempt }) => [step.stepId, attempt]));
  return keys.filter((key) => {
    const [stepId = '', attempt = ''] = key.slice(rolloutId.length + 1).split('/');
    return Number(attempt) > (attempts.get(stepId) ?? 0);
  });
}

export class Authority {
  constructor(private readonly tools: AuthorityTools) {}

  /** Shuts earlier owners out on every host, unless the hosts know better than the log. */
  async establish(claimant: Claimant): Promise<Established> {
    const { hosts, log } = this.tools;
    const { cluster, epoch, rolloutId } = claimant;
    const older = await this.lessThanSigned();
    if (older !== null) return { by: 'nobody', doubt: older };
    const seen = await hosts.seen(cluster, log.logId);
    for (const one of seen) {
      const doubt = foreignLog(one, log.logId) ?? (await this.lost(one, claimant));
      if (doubt !== null) return { by: 'nobody', doubt };
    }
    // Who does not answer is not waited for three times; it is asked what it has seen before anything is raised on it.
    const answered = new Set(seen.filter((one) => one.answered).map(({ host }) => host));
    this.give(epoch, answered);
    const { by, unreachable, raised } = await hosts.raise(cluster, { logId: log.logId, epoch }, answered);
    if (by !== null) {
      const what = `Host ${by.host} obeys epoch ${by.epoch} of log ${by.logId}.`;
      return { by: 'another', doubt: { what, evidence: by } };
    }
    // Who has raised and then looks sees every act that an earlier owner can still be running.
    const doubt = await this.unknownActs(claimant, await hosts.keys(cluster, `${rolloutId}/`, answered));
    return doubt === null ? { by: 'us', everywhere: raised, unreachable } : { by: 'nobody', doubt };
  }

  /** The oldest is forgotten when there are too many: what it says is then read in the log. */
  private give(epoch: number, answered: ReadonlySet<string>): void {
    const { given } = this.tools;
    given.set(epoch, new Set([...(given.get(epoch) ?? []), ...answered]));
    for (const [oldest] of given) {
      if (given.size <= MOST_GIVEN) break;
      given.delete(oldest);
    }
  }

  /** A copy of what was signed lies outside the database: it may say more than the log. */
  private async lessThanSigned(): Promise<Doubt | null> {
    const status = await this.tools.checkpoints?.checked();
    if (status?.state === 'failing' && !status.compared) {
      const what = `Whether this log holds all that was signed of it could not be told. ${status.problem ?? ''}`;
      return { what, evidence: { ...status } };
    }
    if (status?.state !== 'restored') return null;
    return { what: `This log is older than what was signed of it. ${status.problem ?? ''}`, evidence: { ...status } };
  }

  private async lost({ host, seen }: HostSeen, { epoch, epochs }: Claimant): Promise<Doubt | null> {
    const { given, incarnation } = this.tools;
    if (seen === null || given.get(seen.epoch)?.has(host) === true) return null;
    // Most hosts obey what this very rollout had before: that is known from its fold.
    const own = seen.epoch === epoch ? { incarnation } : epochs.find(({ position }) => position === seen.epoch);
    const found: EpochInLog = own ? { event: 'ownership', incarnation: own.incarnation } : await this.inLog(seen.epoch);
    return lostEpoch(host, seen, found, incarnation);
  }

  private async inLog(position: number): Promise<EpochInLog> {
    const [event] = await this.tools.log.readAll(position - 1, 1);
    if (event?.position !== position) return { event: 'none', head: await this.tools.log.headPosition() };
    if (event.type === 'RolloutAdopted') {
      const { incarnation } = event.body as { readonly incarnation: string };
      return { event: 'ownership', incarnation };
    }
    return event.type === 'RolloutAdmitted' ? { event: 'ownership', incarnation: null } : { event: 'other', type: event.type };
  }

  /** The fold keeps the newest attempt of each step that is in the plan; the stream itself has the last word. */
  private async unknownActs({ rolloutId, state }: Claimant, found: readonly HostKeys[]): Promise<Doubt | null> {
    const suspects = found.flatMap(({ host, keys }) => unknownAttempts(keys, rolloutId, state).map((key) => ({ host, key })));
    if (suspects.length === 0) return null;
    const events = await this.tools.log.readStream(`rollout/${rolloutId}`);
    const requested = events
      .filter(({ type }) => type === 'StepRequested')
      .map(({ body }) => (body as { readonly key: string }).key);
    const unknown = suspects.filter(({ key }) => !requested.some((known) => key === known || key.startsWith(`${known}/`)));
    const [first] = unknown;
    if (first === undefined) return null;
    return {
      what: `This log is older than reality: the journal of host ${first.host} holds ${first.key}, and the log has no such order. An older copy of the database was restored, or its server failed over with loss. Nothing is done. Compare the log with what happened on the hosts, and bring back the newer database, or end this rollout by hand.`,
      evidence: { unknown: unknown.slice(0, MOST_KEYS_TOLD) },
    };
  }
}

/** Epochs kept in memory. */
const MOST_GIVEN = 50_000;

/** Keys that a recorded doubt names at most. */
const MOST_KEYS_TOLD = 20;
