/** Looks from outside, all the time, whether two nodes accept writes at once. */
import { setTimeout as pause } from 'node:timers/promises';
import { withClient, type PracticeNode, type TestPair } from '@understudy/testing/outside';

const LOOK_EVERY_MS = 50;
const CONNECT_LIMIT_MS = 500;

export interface Writable {
  /** Whole rounds, in which every node was asked. */
  readonly looks: number;
  /** `<node> and <node> at <time>` for each time that two accepted writes at one moment. */
  readonly twoAtOnce: readonly string[];
}

export interface WritableWatch {
  stop(): Promise<Writable>;
}

/**
 * Asks node after node, and the first one again at the end: if it accepted writes before and after another one did, both did at that
 * moment. A node that does not answer accepts none.
 */
export function watchWritable({ cluster }: TestPair): WritableWatch {
  const found: string[] = [];
  let looks = 0;
  let stopping = false;
  const accepts = (node: PracticeNode): Promise<boolean> =>
    withClient(
      node,
      cluster.secrets.driver,
      'postgres',
      async (client) => {
        const { rows } = await client.query<{ standby: boolean }>('select pg_is_in_recovery() as standby');
        return rows[0]?.standby === false;
      },
      CONNECT_LIMIT_MS,
    ).catch(() => false);
  const round = async ([first, ...others]: readonly PracticeNode[]): Promise<void> => {
    if (first === undefined || !(await accepts(first))) return;
    for (const other of others)
      if ((await accepts(other)) && (await accepts(first)))
        found.push(`${first.slug} and ${other.slug} at ${new Date().toISOString()}`);
  };
  const run = async (): Promise<void> => {
    while (!stopping) {
      await round(cluster.nodes);
      looks += 1;
      await pause(LOOK_EVERY_MS);
    }
  };
  const running = run();
  return {
    stop: async () => {
      stopping = true;
      await running;
      return { looks, twoAtOnce: found };
    },
  };
}
