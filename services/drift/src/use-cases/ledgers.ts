import type { Assessment, DriftCommand, DriftEvent, Judging, LedgerState, Waiver } from '@understudy/drift-domain';
import { driftDecider } from '@understudy/drift-domain';
import type { EventMetadata, Executed, LoadedStream, Store } from '@understudy/event-log';
import { execute, loadStream } from '@understudy/event-log';
import type { Findings } from '../projections/findings/queries.js';
import { accepted, driftCodec, driftStream, ownMetadata } from '../handle.js';

/** Ledgers kept folded in memory; the one that was used longest ago goes first. */
const FOLDED_LIMIT = 500;

/** Around the drift ledgers. Callable from any door; refusals are thrown as `Problem`. */
export class Ledgers {
  private readonly folded = new Map<string, LoadedStream<LedgerState>>();

  constructor(
    private readonly store: Store,
    private readonly findings: Findings,
  ) {}

  /** Executes one command on a cluster's ledger. */
  async execute(cluster: string, command: DriftCommand, metadata: EventMetadata): Promise<Executed<LedgerState, DriftEvent>> {
    const loaded = this.folded.get(cluster);
    const result = await execute(this.store.log, driftDecider, {
      stream: driftStream(cluster),
      command,
      metadata,
      codec: driftCodec,
      ...(loaded === undefined ? {} : { loaded }),
    });
    if (result.accepted) this.keep(cluster, result.loaded);
    return result;
  }

  /** The baselines of now and the time of now: what every judgement needs besides the ledger. */
  async judging(): Promise<Judging> {
    return { baselines: await this.findings.allBaselines(), nowMs: this.store.now() };
  }

  /** @returns the position of the event, for reading one's own write. */
  async waive(findingId: string, waiver: Waiver, metadata: EventMetadata): Promise<number | undefined> {
    const { cluster } = await this.findings.finding(findingId);
    const command: DriftCommand = { type: 'waive', findingId, waiver, nowMs: this.store.now() };
    return accepted(await this.execute(cluster, command, metadata)).stored.at(-1)?.position;
  }

  async withdraw(findingId: string, metadata: EventMetadata): Promise<number | undefined> {
    const { cluster } = await this.findings.finding(findingId);
    const command: DriftCommand = { type: 'withdraw-waiver', findingId, by: metadata.actor.subject };
    return accepted(await this.execute(cluster, command, metadata)).stored.at(-1)?.position;
  }

  /**
   * The answer to a request, read from the log and not from a read model: for a gate's second look. Null where none was
   * given for this cluster: never an older or another one.
   */
  async assessment(cluster: string, requestId: string): Promise<Assessment | null> {
    const { answered } = (await this.load(cluster)).state;
    return (Object.hasOwn(answered, requestId) ? answered[requestId] : undefined) ?? null;
  }

  /** Waivers lapse and baselines change without a message: every ledger is judged again. Writes nothing where nothing changed. */
  async reassessAll(): Promise<void> {
    for (const cluster of await this.findings.clusters()) {
      accepted(await this.execute(cluster, { type: 'reassess', ...(await this.judging()) }, ownMetadata('clock')));
    }
  }

  /** Scores `cluster` where it is a lab, and every lab that mirrors it. `metadataFor` gives each append its own command id. */
  async scoreFidelity(cluster: string, metadataFor: (lab: string) => EventMetadata): Promise<void> {
    const own = (await this.load(cluster)).state.cluster?.twinOf ?? '';
    const labs = [...(own === '' ? [] : [cluster]), ...(await this.findings.labsOf(cluster))];
    for (const lab of labs) {
      const twinOf = (await this.load(lab)).state.cluster?.twinOf ?? '';
      const production = twinOf === '' ? undefined : (await this.load(twinOf)).state;
      accepted(await this.execute(lab, { type: 'score-fidelity', twinOf, production }, metadataFor(lab)));
    }
  }

  private async load(cluster: string): Promise<LoadedStream<LedgerState>> {
    const loaded = await loadStream(this.store.log, driftDecider, driftCodec, this.folded.get(cluster) ?? driftStream(cluster));
    this.keep(cluster, loaded);
    return loaded;
  }

  private keep(cluster: string, loaded: LoadedStream<LedgerState>): void {
    this.folded.delete(cluster);
    this.folded.set(cluster, loaded);
    const [oldest] = this.folded.keys();
    if (this.folded.size > FOLDED_LIMIT && oldest !== undefined) this.folded.delete(oldest);
  }
}
