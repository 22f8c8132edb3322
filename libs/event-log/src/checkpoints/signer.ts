/** Signs checkpoints of one log: one process per service at a time, every few seconds and whenever much has come or somebody asks. */
import { existsSync } from 'node:fs';
import type pg from 'pg';
import type { Duty, EventLog } from '../api.js';
import { readCheckpointKeys, type CheckpointKeys } from './keys.js';
import type { SignedEvidence } from './claims.js';
import {
  FIRST_LINK,
  keyAfter,
  linkOf,
  readStatement,
  signHeads,
  signKey,
  type Place,
  type SignedHead,
  type SignedStatement,
} from './statement.js';
import {
  ExportFile,
  exportsIn,
  exportedStatements,
  readCovering,
  readOneStatement,
  readRenewals,
  readStatements,
} from './table.js';

export const CHECKPOINT_EVERY_MS = 10_000;
/** So many events that are not signed yet do not wait for the time. */
export const MOST_UNSIGNED_EVENTS = 5_000;
/** A try that failed is repeated after this at the latest. */
const RETRY_MS = 2_000;
/** So long is waited for what was signed to be compared with what is there. */
const COMPARED_LIMIT_MS = 60_000;
/** Events that one checkpoint covers at most: a longer log than that is signed by several, one after the other. */
export const MOST_EVENTS_PER_CHECKPOINT = 5_000;
const EXPORT_PAGE_STATEMENTS = 100;
const DUTY = 'signed-checkpoints';
const LARGEST_LIST = 201;

export interface CheckpointOptions {
  /** PEM file with the keys; read at each checkpoint, so that a rotation needs no restart. */
  readonly keyFile: string;
  /** Where every checkpoint is exported to, a file per log; undefined = nowhere. Of this process alone. */
  readonly folder?: string;
  /** Default `CHECKPOINT_EVERY_MS`. */
  readonly everyMs?: number;
  /** Default `COMPARED_LIMIT_MS`. */
  readonly comparedWithinMs?: number;
}

/**
 * `signing`: this process has the duty. `standby`: another process has it. `failing`: the last try failed and is repeated.
 * `restored`: what was signed or exported says more than the log or the table; nothing is signed over it.
 */
export type CheckpointState = 'stopped' | 'signing' | 'standby' | 'failing' | 'restored';

export interface CheckpointStatus {
  readonly state: CheckpointState;
  /** Signed up to here, as far as this process knows. */
  readonly position: number;
  readonly problem?: string;
}

export interface CheckedStatus extends CheckpointStatus {
  /** False: whether the log holds all that was signed of it is not known. */
  readonly compared: boolean;
}

interface SignerTools {
  readonly pool: pg.Pool;
  readonly schema: string;
  readonly log: Pick<EventLog, 'logId' | 'headPosition' | 'onAppend'>;
  readonly now: () => number;
  readonly takeDuty: (name: string) => Promise<Duty | undefined>;
}

/** What was signed does not fit what is there: history was cut. */
class Restored extends Error {}

export class Checkpoints {
  private state: CheckpointState = 'stopped';
  private problem: string | undefined;
  private position = 0;
  private readonly file: ExportFile | undefined;
  private loaded = false;
  private compared = false;
  /** The last statement of each file that an earlier identity of the log has left. */
  private earlier: ReadonlyMap<string, SignedStatement> = new Map();
  private running: Promise<void> | undefined;
  private next: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private stopListening: (() => void) | undefined;
  private looked: () => void = () => undefined;
  private readonly firstLook = new Promise<void>((resolve) => (this.looked = resolve));

  constructor(
    private readonly tools: SignerTools,
    private readonly options: CheckpointOptions,
  ) {
    this.file = options.folder === undefined ? undefined : new ExportFile(options.folder, tools.schema, tools.log.logId);
  }

  /** Begins to sign in the background. */
  start(): void {
    this.state = 'standby';
    this.stopListening = this.tools.log.onAppend((head) => {
      if (this.state === 'signing' && this.next === undefined && head - this.position >= MOST_UNSIGNED_EVENTS) void this.sign();
    });
    this.schedule(0);
  }

  /** Lets the checkpoint in the making end. */
  async stop(): Promise<void> {
    this.state = 'stopped';
    this.looked();
    this.stopListening?.();
    clearTimeout(this.timer);
    await this.next;
    await this.running;
  }

  status(): CheckpointStatus {
    const { state, position, problem } = this;
    return { state, position, ...(problem === undefined ? {} : { problem }) };
  }

  /** The same, once what was signed and exported earlier has been compared with what is there; or it could not be in time. */
  async checked(): Promise<CheckedStatus> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>(
      (resolve) => (timer = setTimeout(resolve, this.options.comparedWithinMs ?? COMPARED_LIMIT_MS)),
    );
    await Promise.race([this.firstLook, late]);
    clearTimeout(timer);
    return { ...this.status(), compared: this.compared };
  }

  /** Signs what is new now, if this process has the duty; one at a time. Failures are shown in `status` and repeated later. */
  sign(): Promise<void> {
    if (this.next !== undefined) return this.next;
    if (this.running === undefined) return this.begin();
    // The one in the making may have looked before what the caller wants signed.
    return (this.next = this.running.then(() => {
      this.next = undefined;
      return this.begin();
    }));
  }

  /** Signed statements after a number, oldest first, at most 201: what an auditor keeps. */
  list(afterNumber: number, limit: number): Promise<readonly SignedStatement[]> {
    return readStatements(this.tools.pool, this.tools.schema, afterNumber, Math.min(limit, LARGEST_LIST));
  }

  /** The oldest statement that covers a position; undefined = it is not signed yet. */
  covering(position: number): Promise<SignedStatement | undefined> {
    return readCovering(this.tools.pool, this.tools.schema, position);
  }

  /** What `verify` compares the log with. @throws `CheckpointKeyError`. */
  evidence(): SignedEvidence {
    const { trusted } = readCheckpointKeys(this.options.keyFile);
    const { folder } = this.options;
    return { trusted, exportedFiles: folder === undefined ? [] : exportsIn(folder, this.tools.schema) };
  }

  private begin(): Promise<void> {
    return (this.running = this.round().finally(() => (this.running = undefined)));
  }

  private schedule(afterMs: number): void {
    this.timer = setTimeout(() => {
      void this.sign().then(() => {
        const everyMs = this.options.everyMs ?? CHECKPOINT_EVERY_MS;
        if (this.state !== 'stopped') this.schedule(this.state === 'failing' ? Math.min(everyMs, RETRY_MS) : everyMs);
      });
    }, afterMs);
    this.timer.unref();
  }

  private async round(): Promise<void> {
    if (this.state === 'stopped') return;
    try {
      await this.compare();
      this.compared = true;
      this.looked();
      await this.exportNew();
      const duty = await this.tools.takeDuty(DUTY);
      if (duty !== undefined) await this.signNew();
      await this.exportNew();
      this.show(duty === undefined ? 'standby' : 'signing', undefined);
    } catch (error) {
      const state = error instanceof Restored ? 'restored' : 'failing';
      this.show(state, error instanceof Error ? error.message : String(error));
      this.compared ||= state === 'restored';
      if (this.compared) this.looked();
    }
  }

  private show(state: CheckpointState, problem: string | undefined): void {
    if (this.state !== 'stopped') this.state = state;
    this.problem = problem;
  }

  /** What was signed and what was exported, here and under earlier identities of the log, with what is there. */
  private async compare(): Promise<void> {
    const { pool, schema, log } = this.tools;
    const last = await readOneStatement(pool, schema);
    const signedOf = last === undefined ? log.logId : readStatement(last).logId;
    const renewed = last !== undefined && signedOf !== log.logId && this.bringsKeyIn(last);
    await this.compareExports(renewed ? [signedOf] : []);
    if (last === undefined) return;
    const head = await log.headPosition();
    if (last.position > head) {
      throw new Restored(
        `Checkpoint ${last.number} signed the log of ${schema} up to position ${last.position}, but it ends at ${head}: events were removed, or the server failed over with loss. Nothing more is signed. Compare with the exported checkpoints: npm run verify`,
      );
    }
    if (signedOf !== log.logId && !renewed) {
      throw new Restored(
        `The log of ${schema} has the identity ${log.logId}, and what was signed of it is of ${signedOf}: it was restored, or exchanged for another. Nothing more is signed. Compare: npm run verify. If it shall go on all the same, whoever holds the key says so with a new one: checkpoint-key rotate`,
      );
    }
  }

  /** Will the next statement bring in a key? Who put it into the file vouches with it for the identity that the log has now. */
  private bringsKeyIn(last: SignedStatement): boolean {
    return keyAfter(readStatement(last)) !== readCheckpointKeys(this.options.keyFile).current.id;
  }

  /** `renewed`: an identity that the next statement ends. */
  private async compareExports(renewed: readonly string[]): Promise<void> {
    const { file } = this;
    const { pool, schema } = this.tools;
    if (file === undefined) return;
    if (!this.loaded || !existsSync(file.path)) await file.load();
    if (!this.loaded) this.earlier = await this.lastOfOthers(file.path);
    this.loaded = true;
    if (file.last !== undefined) await this.compareLast(file.path, file.last);
    for (const [path, last] of this.earlier) {
      const { trusted } = readCheckpointKeys(this.options.keyFile);
      const ended = [...renewed, ...(await readRenewals(pool, schema, last.number, trusted))];
      if (!ended.includes(readStatement(last).logId)) await this.compareLast(path, last);
    }
    // Nobody writes them any more, and what the table loses from here on the own file tells.
    this.earlier = new Map();
  }

  private async compareLast(path: string, last: SignedStatement): Promise<void> {
    const { pool, schema } = this.tools;
    const kept = await readOneStatement(pool, schema, last.number);
    if (kept?.statement === last.statement) return;
    throw new Restored(
      `Checkpoint ${last.number}, exported to ${path}, is not in the table of ${schema}: the database was restored from an older copy, or checkpoints were removed. Nothing more is signed. Compare: npm run verify. To go on with what is left, move that file away, and keep it.`,
    );
  }

  /** Exports of the same service that an earlier identity of the log left here; nobody writes them any more. */
  private async lastOfOthers(own: string): Promise<ReadonlyMap<string, SignedStatement>> {
    const found = new Map<string, SignedStatement>();
    for (const path of exportsIn(this.options.folder ?? '', this.tools.schema)) {
      if (path === own) continue;
      for await (const statement of exportedStatements(path)) found.set(path, statement);
    }
    return found;
  }

  private async signNew(): Promise<void> {
    const { pool, schema, log } = this.tools;
    const keys = readCheckpointKeys(this.options.keyFile);
    let last = await readOneStatement(pool, schema);
    const head = await log.headPosition();
    if (last === undefined || keyAfter(readStatement(last)) !== keys.current.id) last = await this.handOver(last, keys);
    while (last !== undefined && last.position < head) last = await this.signSpan(last, head, keys);
    if (last !== undefined) this.position = last.position;
  }

  /** One checkpoint of what follows `last`. Undefined = another process was faster. */
  private async signSpan(last: SignedStatement, head: number, keys: CheckpointKeys): Promise<SignedStatement | undefined> {
    const upTo = Math.min(head, last.position + MOST_EVENTS_PER_CHECKPOINT);
    const heads = await this.headsOf(last.position, upTo);
    return this.add(signHeads(this.after(last, upTo), heads, keys.current));
  }

  /** The key of the file signs from here on; the one before it says so, where it is still at hand. */
  private handOver(last: SignedStatement | undefined, keys: CheckpointKeys): Promise<SignedStatement | undefined> {
    const before = last && keyAfter(readStatement(last));
    const key = before === undefined ? undefined : keys.signing.get(before);
    const by = before !== undefined && key !== undefined ? { id: before, key } : keys.current;
    const to = keys.trusted.get(keys.current.id) ?? keys.current.key;
    return this.add(signKey(this.after(last, last?.position ?? 0), to, by));
  }

  private after(last: SignedStatement | undefined, position: number): Place {
    const { schema: service, log, now } = this.tools;
    const previous = last === undefined ? FIRST_LINK : linkOf(last.statement);
    const time = new Date(now()).toISOString();
    return { service, logId: log.logId, number: (last?.number ?? 0) + 1, position, time, previous };
  }

  private async headsOf(after: number, upTo: number): Promise<readonly SignedHead[]> {
    const { rows } = await this.tools.pool.query<{ stream: string; version: number; position: string; hash: string }>(
      `select distinct on (stream) stream, version, position, encode(hash, 'hex') as hash
       from ${this.tools.schema}.event where position > $1 and position <= $2 order by stream, version desc`,
      [after, upTo],
    );
    return rows.map(({ stream, version, position, hash }) => [stream, version, Number(position), hash] as const);
  }

  private async add(signed: SignedStatement): Promise<SignedStatement | undefined> {
    const { number, position, statement, keyId, signature } = signed;
    const { rows } = await this.tools.pool.query<{ added: boolean }>(
      `select ${this.tools.schema}.append_signed_checkpoint($1, $2, $3, $4, $5) as added`,
      [number, position, statement, keyId, Buffer.from(signature, 'base64')],
    );
    return rows[0]?.added === true ? signed : undefined;
  }

  /** Every process exports, whoever signs: the more copies, the better. */
  private async exportNew(): Promise<void> {
    const { file } = this;
    const { pool, schema } = this.tools;
    if (file === undefined) return;
    for (;;) {
      const page = await readStatements(pool, schema, file.last?.number ?? 0, EXPORT_PAGE_STATEMENTS);
      file.append(page);
      if (page.length < EXPORT_PAGE_STATEMENTS) return;
    }
  }
}
