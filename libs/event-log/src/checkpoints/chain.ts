/** Whether statements hang together and are signed by whom they should be. Needs no database: an auditor's half of `verify`. */
import { keyId, readPublicKey, type TrustedKeys } from './keys.js';
import {
  FIRST_LINK,
  isSignedBy,
  keyAfter,
  linkOf,
  readStatement,
  type CheckpointStatement,
  type SignedStatement,
} from './statement.js';

export type Judged =
  | { readonly good: true; readonly statement: CheckpointStatement }
  | { readonly good: false; readonly position: number; readonly reason: string };

/** Where a log went on under another identity, as after a restore, and who holds the key said so. */
export interface Renewal {
  /** The identity before. */
  readonly from: string;
  /** The statement that says so. */
  readonly number: number;
  readonly time: string;
}

/**
 * Follows one source of statements from its first. Whoever trusts the key that began, or one that came later, trusts what those
 * sign: a trusted key vouches for the one that it hands over to, and a key that has handed over signs nothing more. The log's
 * identity changes only where a key is brought in: whoever owns the database can give the log another one, and cannot make the
 * signer bring in a key.
 */
export class StatementChain {
  private readonly trusted: Map<string, ReturnType<typeof readPublicKey>['key']>;
  /** Keys that another has replaced. */
  private readonly retired = new Set<string>();
  private last:
    { readonly row: SignedStatement; readonly link: string; readonly keyAfter: string; readonly logId: string } | undefined;
  private readonly renewed: Renewal[] = [];

  /** `whole`: every statement comes, so that a missing one is noticed. Else only signatures are looked at. */
  constructor(
    private readonly service: string,
    trusted: TrustedKeys,
    private readonly whole: boolean,
  ) {
    this.trusted = new Map(trusted);
  }

  /** Changes of the log's identity that somebody vouched for, oldest first. */
  get renewals(): readonly Renewal[] {
    return this.renewed;
  }

  /** The next statement, with what is wrong with it. */
  see(row: SignedStatement): Judged {
    let statement: CheckpointStatement;
    let next: string;
    try {
      statement = readStatement(row);
      next = keyAfter(statement);
    } catch (error) {
      return this.bad(row, error instanceof Error ? error.message : String(error));
    }
    const begins = statement.kind === 'key' && next === statement.keyId;
    const wrong =
      this.foreign(statement) ??
      this.unsigned(row) ??
      this.outOfTurn(statement, begins) ??
      this.unlinked(statement) ??
      this.renamed(statement);
    if (wrong !== undefined) return this.bad(row, wrong);
    if (statement.kind === 'key') {
      const { id, key } = readPublicKey(statement.publicKey, `checkpoint ${statement.number}`);
      this.trusted.set(id, key);
      if (this.last !== undefined) this.retired.add(this.last.keyAfter);
      this.retired.delete(id);
    }
    const { logId, number, time } = statement;
    if (this.last !== undefined && this.last.logId !== logId) this.renewed.push({ from: this.last.logId, number, time });
    this.last = { row, link: linkOf(row.statement), keyAfter: next, logId };
    return { good: true, statement };
  }

  private bad(row: SignedStatement, reason: string): Judged {
    return { good: false, position: row.position, reason };
  }

  private foreign({ number, service }: CheckpointStatement): string | undefined {
    return service === this.service ? undefined : `checkpoint ${number} is of the log of ${service}, not of ${this.service}`;
  }

  private unsigned(row: SignedStatement): string | undefined {
    const key = this.trusted.get(row.keyId);
    if (key === undefined)
      return `checkpoint ${row.number} is signed by the key ${row.keyId}, which nobody who is trusted vouches for`;
    return isSignedBy(row, key) ? undefined : `the signature of checkpoint ${row.number} is not one of the key ${keyId(key)}`;
  }

  /** A key signs from the statement that brings it in to the one that brings in another. One that is trusted may begin by itself, once. */
  private outOfTurn({ number, keyId: by }: CheckpointStatement, begins: boolean): string | undefined {
    if (by === this.last?.keyAfter || (begins && !this.retired.has(by))) return undefined;
    return `checkpoint ${number} is signed by the key ${by}, which has handed over or never begun`;
  }

  private unlinked(statement: CheckpointStatement): string | undefined {
    if (!this.whole) return undefined;
    const { number, previous, position } = statement;
    const expected = (this.last?.row.number ?? 0) + 1;
    if (number !== expected) return `checkpoint ${expected} is missing before checkpoint ${number}`;
    if (previous !== (this.last?.link ?? FIRST_LINK)) return `checkpoint ${number} does not follow the one before it`;
    return position < (this.last?.row.position ?? 0) ? `checkpoint ${number} goes back to position ${position}` : undefined;
  }

  private renamed({ number, kind, logId }: CheckpointStatement): string | undefined {
    const before = this.last?.logId ?? logId;
    if (logId === before || kind === 'key') return undefined;
    return `checkpoint ${number} is of a log with the identity ${logId}, and the one before it of ${before}: the log was exchanged for another, and nobody who holds the key has said so`;
  }
}
