import {
  execute,
  eventCodec,
  loadStream,
  type Actor,
  type EventCodec,
  type EventLog,
  type EventMetadata,
  type Executed,
  type LoadedStream,
  type Store,
  type StoredEvent,
  type StreamAppend,
} from '@understudy/event-log';
import {
  claimDecider,
  DOCUMENT_VERSIONS,
  ROLLOUT_EVENT_VERSIONS,
  rolloutDecider,
  upcastDocument,
  upcastRollout,
  type ClaimCommand,
  type ClaimEvent,
  type ClaimState,
  type RolloutCommand,
  type RolloutEvent,
  type RolloutState,
} from '@understudy/orchestrator-domain';
import { Problem, newId } from '@understudy/runtime';
import { plannedWithSharedParts, planWithSharedParts } from './shared-parts.js';

/** Our own reactions, as the log names them. */
export const SYSTEM: Actor = { subject: 'system:orchestrator', role: 'system', authentication: 'internal', from: 'orchestrator' };

export function systemMetadata(commandId: string = newId(), correlationId?: string): EventMetadata {
  return { commandId, actor: SYSTEM, ...(correlationId === undefined ? {} : { correlationId }) };
}

/** A stored rollout event -> today's shape. */
export function toRolloutEvent(stored: StoredEvent): RolloutEvent {
  const event = upcastRollout({ type: stored.type, schemaVersion: stored.schemaVersion, data: stored.body });
  if (event.type === 'RolloutPlanned') return { ...event, data: plannedWithSharedParts(event.data) };
  if (event.type === 'PlanRevised') return { ...event, data: { ...event.data, plan: planWithSharedParts(event.data.plan) } };
  return event;
}

/** Every event of a rollout carries its cluster's slug: the key under which it is published. */
export function rolloutCodec(clusterSlug: string): EventCodec<RolloutEvent> {
  return {
    encode: (event) => ({
      type: event.type,
      schemaVersion: ROLLOUT_EVENT_VERSIONS[event.type],
      body: { ...event.data, clusterSlug },
    }),
    decode: toRolloutEvent,
  };
}

const claimCodec = eventCodec<ClaimEvent>({
  field: 'data',
  schemaVersions: DOCUMENT_VERSIONS,
  upcast: (stored) => upcastDocument(stored) as ClaimEvent,
});

/** The claim on a host, as it was folded; no command is ever repeated on it. */
type Claim = Omit<LoadedStream<ClaimState>, 'commands'>;

/** Position of an adoption or an admission, and by which process, where it says so. */
export interface OwnEpoch {
  readonly position: number;
  readonly incarnation: string | null;
}

/** A rollout that this process follows: its fold, and the fencing epoch that its hosts shall see. */
export class LiveRollout {
  constructor(
    readonly rolloutId: string,
    public loaded: LoadedStream<RolloutState>,
    /** Where its newest event was decided, for whoever goes on from there. */
    public traceparent: string | undefined = undefined,
    /** Its adoptions and its admission, oldest first, as far as this process has read or written them. */
    readonly epochs: OwnEpoch[] = [],
  ) {}

  /** The claims on its hosts as this process appended them with the admission: their release need not read them. */
  claims: readonly Claim[] = [];

  get state(): RolloutState {
    return this.loaded.state;
  }

  get version(): number {
    return this.loaded.version;
  }

  /** Position of the newest adoption or admission: no earlier owner of one of its hosts had a higher one. */
  get epoch(): number {
    return this.epochs.at(-1)?.position ?? 0;
  }
}

/** The corridor for rollouts: fold, decide, append together with the claims on hosts that go with it. */
export class RolloutStore {
  /** What this process drives: known without a look into the log. */
  private readonly followed = new Map<string, LiveRollout>();

  constructor(private readonly store: Pick<Store, 'log'>) {}

  /** From now on whatever is appended to it is absorbed by somebody, so that orders to it need not read it. */
  follow(live: LiveRollout): void {
    this.followed.set(live.rolloutId, live);
  }

  unfollow(rolloutId: string): void {
    this.followed.delete(rolloutId);
  }

  /** A rollout of which nothing but its plan was heard; whatever else there is makes the next order to it read on. */
  begun(rolloutId: string, planned: StoredEvent): LiveRollout {
    const live = new LiveRollout(rolloutId, emptyRollout(rolloutId));
    absorb(live, [planned]);
    return live;
  }

  /** Throws `Problem` ROLLOUT_UNKNOWN when there is no such rollout. */
  async load(rolloutId: string): Promise<LiveRollout> {
    const live = new LiveRollout(rolloutId, emptyRollout(rolloutId));
    await this.reload(live);
    if (live.version === 0)
      throw new Problem(
        'not-found',
        'ROLLOUT_UNKNOWN',
        `There is no rollout ${rolloutId}. GET /v1/rollouts lists those there are.`,
      );
    return live;
  }

  /** Reads what was appended since. */
  async reload(live: LiveRollout): Promise<void> {
    const events = await this.log.readStream(live.loaded.stream, live.version + 1);
    absorb(live, events);
  }

  /**
   * Gives the runner's own command to the rollout that this process follows. Nobody else knows its id, and the runner asks anew
   * under another one: afterwards no repetition has to be told by it.
   * @param decisions how often it is decided at most, where others append meanwhile.
   */
  async give(live: LiveRollout, command: RolloutCommand, decisions?: number): Promise<Executed<RolloutState, RolloutEvent>> {
    const metadata = systemMetadata();
    try {
      return await this.execute(live, command, metadata, decisions);
    } finally {
      live.loaded.commands.delete(metadata.commandId);
    }
  }

  /** A command from a door, a message or the window: loads, decides, appends. */
  async handle(
    rolloutId: string,
    command: RolloutCommand,
    metadata: EventMetadata,
  ): Promise<Executed<RolloutState, RolloutEvent>> {
    // A plan is the first event: if it is not, the append says so, and what there is is read.
    if (command.type === 'PlanRollout')
      return this.execute(new LiveRollout(rolloutId, emptyRollout(rolloutId)), command, metadata);
    return this.execute(await this.known(rolloutId), command, metadata);
  }

  /** A copy: who follows it hears what is appended to it from the log. */
  private async known(rolloutId: string): Promise<LiveRollout> {
    const followed = this.followed.get(rolloutId);
    if (followed === undefined) return this.load(rolloutId);
    return new LiveRollout(rolloutId, followed.loaded, followed.traceparent, [...followed.epochs]);
  }

  /** The rollout that holds a host, or null. */
  async claimedBy(host: string): Promise<string | null> {
    return (await loadClaim(this.log, `claim/${host}`)).state.rollout;
  }

  private get log(): EventLog {
    return this.store.log;
  }

  private async execute(
    live: LiveRollout,
    command: RolloutCommand,
    metadata: EventMetadata,
    decisions?: number,
  ): Promise<Executed<RolloutState, RolloutEvent>> {
    let claims: readonly Claim[] = [];
    let own = live.claims;
    const withClaims = async (asked: readonly ClaimAsked[]): Promise<readonly StreamAppend[]> => {
      const known = own;
      own = []; // Another try follows a conflict, and what conflicts may be a claim.
      claims = await Promise.all(
        asked.map(async ({ stream }) => known.find((claim) => claim.stream === stream) ?? loadClaim(this.log, stream)),
      );
      return asked.flatMap(({ command: wanted }, index) => claimed(claims[index] as Claim, wanted));
    };
    const also = (decided: readonly RolloutEvent[]): readonly StreamAppend[] | Promise<readonly StreamAppend[]> => {
      const asked = claimsFor(live.rolloutId, decided);
      return asked.length === 0 ? [] : withClaims(asked);
    };
    const slug = command.type === 'PlanRollout' ? command.planned.cluster.slug : (live.state.planned?.cluster.slug ?? '');
    try {
      const executed = await execute(this.log, rolloutDecider, {
        stream: live.loaded.stream,
        command,
        metadata,
        codec: rolloutCodec(slug),
        loaded: live.loaded,
        ...(decisions === undefined ? {} : { decisions }),
        also,
      });
      if (executed.accepted && executed.loaded.version >= live.version) {
        live.loaded = executed.loaded;
        note(live, executed.stored);
      }
      if (executed.accepted && !executed.repeated && claims.length > 0) live.claims = afterAppend(claims, executed.stored);
      return executed;
    } catch (error) {
      if (error instanceof ClaimRefused) return { accepted: false, kind: 'locked', refusals: error.refusals };
      throw error;
    }
  }
}

function afterAppend(claims: readonly Claim[], stored: readonly StoredEvent[]): readonly Claim[] {
  return claims.map(({ stream, version, state }) => {
    const own = stored.filter((event) => event.stream === stream);
    return {
      stream,
      version: own.at(-1)?.version ?? version,
      state: own.map(claimCodec.decode).reduce(claimDecider.evolve, state),
    };
  });
}

interface ClaimAsked {
  readonly stream: string;
  readonly command: ClaimCommand;
}

/** Claims go with the admission, and come back with the close, in the same append. */
function claimsFor(rolloutId: string, decided: readonly RolloutEvent[]): readonly ClaimAsked[] {
  return decided.flatMap((event) => {
    if (event.type !== 'RolloutAdmitted' && event.type !== 'RolloutClosed') return [];
    const type = event.type === 'RolloutAdmitted' ? ('ClaimHost' as const) : ('ReleaseHost' as const);
    const { hosts, at } = event.data;
    return hosts.map((host) => ({ stream: `claim/${host}`, command: { type, host, rollout: rolloutId, at } }));
  });
}

function loadClaim(log: EventLog, stream: string): Promise<LoadedStream<ClaimState>> {
  return loadStream(log, claimDecider, claimCodec, stream);
}

/** @throws ClaimRefused */
function claimed({ stream, version, state }: Claim, command: ClaimCommand): readonly StreamAppend[] {
  const decision = claimDecider.decide(command, state);
  if (!decision.accepted) throw new ClaimRefused(decision.refusals);
  if (decision.events.length === 0) return [];
  return [{ stream, expectedVersion: version, events: decision.events.map(claimCodec.encode) }];
}

/** Another rollout holds a host; nothing was appended. */
class ClaimRefused extends Error {
  constructor(readonly refusals: readonly { readonly pointer: string; readonly code: string; readonly detail: string }[]) {
    super(refusals.map((refusal) => refusal.detail).join(' '));
  }
}

function emptyRollout(rolloutId: string): LoadedStream<RolloutState> {
  return { stream: `rollout/${rolloutId}`, version: 0, state: rolloutDecider.initial, commands: new Map() };
}

/** Folds events that follow what is known; older or repeated ones are passed over. */
export function absorb(live: LiveRollout, events: readonly StoredEvent[]): void {
  const { commands } = live.loaded;
  let { version, state } = live.loaded;
  for (const event of events) {
    if (event.version !== version + 1) continue;
    commands.set(event.metadata.commandId, event.metadata.fingerprint);
    version = event.version;
    state = rolloutDecider.evolve(state, toRolloutEvent(event));
  }
  if (version === live.version) return;
  live.loaded = { ...live.loaded, version, state };
  note(live, events);
}

function note(live: LiveRollout, events: readonly StoredEvent[]): void {
  for (const event of events) {
    if (event.stream !== live.loaded.stream) continue;
    live.traceparent = event.metadata.traceparent ?? live.traceparent;
    if (event.type !== 'RolloutAdopted' && event.type !== 'RolloutAdmitted') continue;
    if (event.position <= live.epoch) continue; // heard before
    const { incarnation = null } = event.body as { readonly incarnation?: string };
    live.epochs.push({ position: event.position, incarnation });
  }
}
