/** Compares the log with what was signed: every head that a good statement names must still stand where it stood. */
import { existsSync, statSync } from 'node:fs';
import type pg from 'pg';
import type { TrustedKeys } from './keys.js';
import { StatementChain, type Renewal } from './chain.js';
import { linkOf, logIdOf, type CheckpointStatement, type SignedStatement } from './statement.js';
import { exportedStatements, tableStatements } from './table.js';

/** Heads are compared in runs of this many, each one statement. */
const RUN_HEADS = 5_000;

/** What a log is compared with, beside its own chain. */
export interface SignedEvidence {
  readonly trusted: TrustedKeys;
  /** Exported files: copies that nobody with power over the database could change. One that is absent says nothing. */
  readonly exportedFiles: readonly string[];
}

/** How far signatures vouch for the log. */
export interface SignedExtent {
  /** Signed checkpoints that were found good. */
  readonly checkpoints: number;
  /** Up to this position of the log the events are vouched for; 0 = nothing is signed yet. */
  readonly position: number;
  /** When that was signed (RFC 3339, the signer's clock), and by which key. */
  readonly time: string | null;
  readonly keyId: string | null;
  /** What follows from it, and what does not, in words. */
  readonly says: string;
}

export interface ClaimDamage {
  readonly position: number;
  readonly stream: string;
  readonly reason: string;
}

interface Claim {
  readonly stream: string;
  readonly version: number;
  readonly position: number;
  readonly hash: string;
  readonly statement: CheckpointStatement;
}

export interface ComparedClaims {
  readonly damage: ClaimDamage | undefined;
  readonly extent: Omit<SignedExtent, 'says'>;
  /** Where the log went on under another identity, and who holds the key said so. */
  readonly renewals: readonly Renewal[];
}

/** How long each exported file is now, in bytes; none that is not there. */
export function exportSizes({ exportedFiles }: SignedEvidence): ReadonlyMap<string, number> {
  return new Map(exportedFiles.filter((file) => existsSync(file)).map((file) => [file, statSync(file).size] as const));
}

/**
 * Within the caller's transaction. `sizes` are the exports' from before it: what is exported is in the table first, so whatever
 * was exported then, this transaction has to see; what came later it cannot. With `stream`, what is signed of that stream alone;
 * then missing statements are not noticed.
 */
export async function compareClaims(
  client: pg.ClientBase,
  schema: string,
  evidence: SignedEvidence,
  sizes: ReadonlyMap<string, number>,
  stream?: string,
): Promise<ComparedClaims> {
  const comparison = new Comparison(client, schema, evidence, stream);
  await comparison.table();
  for (const [file, bytes] of sizes) await comparison.exported(file, bytes);
  return comparison.end();
}

class Comparison {
  private readonly kept = new Map<number, string>();
  private waiting: Claim[] = [];
  private damage: ClaimDamage | undefined;
  private last: CheckpointStatement | undefined;
  private good = 0;
  private renewals: readonly Renewal[] = [];

  constructor(
    private readonly client: pg.ClientBase,
    private readonly schema: string,
    private readonly evidence: SignedEvidence,
    private readonly stream: string | undefined,
  ) {}

  async table(): Promise<void> {
    const chain = this.chain();
    for await (const row of tableStatements(this.client, this.schema, this.stream)) {
      this.kept.set(row.number, linkOf(row.statement));
      if (!(await this.see(chain, row))) return;
      this.good += 1;
      this.renewals = chain.renewals;
    }
  }

  /**
   * What the table holds as well was compared already. Where the table goes on under another identity, and the key vouches for
   * that, what was signed under the one before is history that was given up.
   */
  async exported(file: string, bytes: number): Promise<void> {
    const chain = this.chain();
    let missing: SignedStatement | undefined;
    for await (const row of exportedStatements(file, this.stream, bytes)) {
      const same = this.kept.get(row.number) === linkOf(row.statement);
      if (!same && this.isGivenUp(row)) return;
      // A key's own statement may stand before the first event.
      if (!same && (missing?.position ?? 0) === 0) missing = row;
      if (!(await this.see(chain, row, !same))) return;
    }
    if (missing !== undefined) {
      const reason = `checkpoint ${missing.number}, exported to ${file}, is not in the table any more: it was removed or changed there, or an older copy of the database was restored`;
      this.note({ position: missing.position, stream: '', reason });
    }
  }

  async end(): Promise<ComparedClaims> {
    await this.flush();
    const { position = 0, time = null, keyId = null } = this.last ?? {};
    return { damage: this.damage, extent: { checkpoints: this.good, position, time, keyId }, renewals: this.renewals };
  }

  private isGivenUp(row: SignedStatement): boolean {
    const logId = logIdOf(row);
    return this.renewals.some(({ from, number }) => from === logId && number <= row.number);
  }

  private chain(): StatementChain {
    return new StatementChain(this.schema, this.evidence.trusted, this.stream === undefined);
  }

  /** False = from here on this source says nothing that can be believed. */
  private async see(chain: StatementChain, row: SignedStatement, compare = true): Promise<boolean> {
    const judged = chain.see(row);
    if (!judged.good) {
      this.note({ position: judged.position, stream: '', reason: judged.reason });
      return false;
    }
    const { statement } = judged;
    if (compare && statement.kind === 'heads') {
      for (const [stream, version, position, hash] of statement.heads) {
        if (this.stream === undefined || stream === this.stream) {
          this.waiting.push({ stream, version, position, hash, statement });
        }
      }
    }
    if (statement.number > (this.last?.number ?? 0)) this.last = statement;
    if (this.waiting.length >= RUN_HEADS) await this.flush();
    return true;
  }

  private async flush(): Promise<void> {
    for (; this.waiting.length > 0; this.waiting = this.waiting.slice(RUN_HEADS))
      await this.compare(this.waiting.slice(0, RUN_HEADS));
  }

  private async compare(claims: readonly Claim[]): Promise<void> {
    const { rows } = await this.client.query<{ position: string | null; hash: string | null }>(
      `select e.position, encode(e.hash, 'hex') as hash
       from unnest($1::text[], $2::integer[]) with ordinality as claim(stream, version, n)
       left join ${this.schema}.event e on e.stream = claim.stream and e.version = claim.version order by claim.n`,
      [claims.map(({ stream }) => stream), claims.map(({ version }) => version)],
    );
    for (const [index, claim] of claims.entries()) {
      const found = rows[index];
      if (found?.hash === claim.hash && Number(found.position) === claim.position) continue;
      if (this.damage === undefined || claim.position < this.damage.position || this.damage.stream === '')
        this.note({
          position: claim.position,
          stream: claim.stream,
          reason: await this.why(claim, typeof found?.hash === 'string'),
        });
    }
  }

  private async why({ stream, version, statement }: Claim, found: boolean): Promise<string> {
    const signed = `checkpoint ${statement.number} of ${statement.time}`;
    if (found)
      return `version ${version} of the stream is not the one that ${signed} signed: an event up to it was changed, and the chain recomputed`;
    const { rows } = await this.client.query<{ last: number | null }>(
      `select max(version) as last from ${this.schema}.event where stream = $1`,
      [stream],
    );
    const last = rows[0]?.last ?? null;
    const what =
      last === null
        ? 'no event of the stream is left: it was removed whole'
        : `the stream has version ${last} at most: its end was removed`;
    return `version ${version} of the stream, which ${signed} signed, is gone; ${what}`;
  }

  /** A named stream says more than a position alone; else the lowest position counts. */
  private note(damage: ClaimDamage): void {
    const known = this.damage;
    const better =
      known === undefined ||
      (known.stream === '' && damage.stream !== '') ||
      (damage.stream !== '' && damage.position < known.position);
    if (better) this.damage = damage;
  }
}
