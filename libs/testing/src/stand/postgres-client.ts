import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

const CONNECT_LIMIT_MS = 500;
const QUERY_LIMIT_MS = 2_000;
const BETWEEN_WRITES_MS = 10;
/** How long the end waits for somebody who takes writes. */
const END_LIMIT_MS = 60_000;

export interface ClientPlaces {
  readonly addresses: readonly string[];
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

export interface ClientTold {
  readonly acknowledged: number;
  /** Of those, how many the cluster has not got at the end. */
  readonly lost: number;
  readonly failed: number;
  /** The longest time between two acknowledged writes, in milliseconds. */
  readonly longestGapMs: number;
}

/** A client of the workload: writes one row after the other to whoever takes writes, until it is ended, and then looks each one up. */
export class PostgresClient {
  private readonly acknowledged: number[] = [];
  private longestGapMs = 0;
  private failed = 0;
  private isEnding = false;
  private readonly loop: Promise<void>;

  /** @param table of its own, which it makes. */
  constructor(
    private readonly places: ClientPlaces,
    private readonly table: string,
  ) {
    this.loop = this.run();
  }

  /** @throws when nobody takes writes any more. */
  async end(): Promise<ClientTold> {
    this.isEnding = true;
    await this.loop;
    const client = await this.connect(performance.now() + END_LIMIT_MS);
    const { rows } = await client.query<{ n: number }>(`select n from ${this.table}`);
    await client.end();
    const found = new Set(rows.map(({ n }) => n));
    return {
      acknowledged: this.acknowledged.length,
      lost: this.acknowledged.filter((n) => !found.has(n)).length,
      failed: this.failed,
      longestGapMs: this.longestGapMs,
    };
  }

  private async run(): Promise<void> {
    let client = await this.connect(performance.now() + END_LIMIT_MS);
    await client.query(`create table if not exists ${this.table} (n integer primary key)`);
    let last = performance.now();
    for (let n = 1; !this.isEnding; n += 1) {
      try {
        await client.query(`insert into ${this.table} values ($1)`, [n]);
        this.acknowledged.push(n);
        this.longestGapMs = Math.max(this.longestGapMs, performance.now() - last);
        last = performance.now();
      } catch {
        this.failed += 1;
        await client.end().catch(() => undefined);
        client = await this.connect(performance.now() + END_LIMIT_MS);
      }
      await delay(BETWEEN_WRITES_MS);
    }
    await client.end();
  }

  /** To the first one that takes writes. @throws when it is over and there was none. */
  private async connect(endsAt: number): Promise<pg.Client> {
    for (;;) {
      for (const address of this.places.addresses) {
        const client = await writable(this.places, address);
        if (client !== undefined) return client;
      }
      if (performance.now() > endsAt) throw new Error(`Nobody took writes for ${END_LIMIT_MS} ms.`);
      await delay(BETWEEN_WRITES_MS);
    }
  }
}

async function writable({ user, password, database }: ClientPlaces, host: string): Promise<pg.Client | undefined> {
  const limits = { connectionTimeoutMillis: CONNECT_LIMIT_MS, query_timeout: QUERY_LIMIT_MS };
  const client = new pg.Client({ host, user, password, database, ...limits });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ standby: boolean }>('select pg_is_in_recovery() as standby');
    if (rows[0]?.standby === false) return client;
  } catch {
    // not this one
  }
  await client.end().catch(() => undefined);
  return undefined;
}
