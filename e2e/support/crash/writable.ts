/** Looks from outside, all the time, at which nodes accept writes. */
import { setTimeout as pause } from 'node:timers/promises';
import type { TestPair } from '@understudy/testing/outside';
import pg from 'pg';
import type { Look, Said } from './looks.js';

const LOOK_EVERY_MS = 50;
const ANSWER_LIMIT_MS = 500;

export interface WritableWatch {
  stop(): Promise<readonly Look[]>;
}

/**
 * Asks every node, and the first that accepts writes again where another one does, too: if it accepted them before and after, both did
 * at that moment. Who does not answer is `silent`, and nobody takes that for a no.
 */
export function watchWritable({ cluster }: TestPair): WritableWatch {
  const looks: Look[] = [];
  const eyes = cluster.nodes.map(({ slug, address, port }) => new Eye(slug, { host: address, port, ...cluster.secrets.driver }));
  let stopping = false;
  const run = async (): Promise<void> => {
    for (; !stopping; await pause(LOOK_EVERY_MS)) looks.push(await lookedAt(eyes));
    await Promise.all(eyes.map((eye) => eye.close()));
  };
  const running = run();
  return {
    stop: async () => {
      stopping = true;
      await running;
      return looks;
    },
  };
}

async function lookedAt(eyes: readonly Eye[]): Promise<Look> {
  const fromMs = Date.now();
  const said: Record<string, Said> = {};
  for (const eye of eyes) said[eye.node] = await eye.look();
  const [first, ...others] = eyes.filter(({ node }) => said[node] === 'writes');
  const two = first !== undefined && others.length > 0 && (await first.look()) === 'writes';
  return { fromMs, toMs: Date.now(), said, two: two ? [first, ...others].map(({ node }) => node) : [] };
}

/** One session on a node, opened again whenever it broke: a new one for each look would cost the machine more than the window does. */
class Eye {
  private client: pg.Client | undefined;

  constructor(
    readonly node: string,
    private readonly where: { readonly host: string; readonly port: number; readonly user: string; readonly password: string },
  ) {}

  async look(): Promise<Said> {
    try {
      const client = (this.client ??= await this.opened());
      const { rows } = await client.query<{ standby: boolean }>('select pg_is_in_recovery() as standby');
      return rows[0]?.standby === false ? 'writes' : 'reads';
    } catch {
      await this.close();
      return 'silent';
    }
  }

  async close(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    await client?.end().catch(() => undefined);
  }

  private async opened(): Promise<pg.Client> {
    const client = new pg.Client({
      ...this.where,
      database: 'postgres',
      connectionTimeoutMillis: ANSWER_LIMIT_MS,
      query_timeout: ANSWER_LIMIT_MS,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return client;
    } catch (error) {
      void client.end().catch(() => undefined);
      throw error;
    }
  }
}
