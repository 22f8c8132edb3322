import type pg from 'pg';
import { checkOut } from './checkout.js';
import type { Duty } from './api.js';

interface Holder {
  readonly name: string;
  readonly incarnation: string;
}

/**
 * Takes a duty by compare-and-set when its holder's lease has ended (or is gone). Statements of their own: the look at the
 * leases must be taken after the row's lock, not with the snapshot from before it.
 */
export async function takeDuty(pool: pg.Pool, schema: string, holder: Holder): Promise<Duty | undefined> {
  const client = await checkOut(pool);
  let broken: Error | undefined;
  try {
    await client.query('begin');
    await client.query(`insert into ${schema}.duty (name, incarnation) values ($1, $2) on conflict (name) do nothing`, [
      holder.name,
      holder.incarnation,
    ]);
    const { rows } = await client.query<{ incarnation: string; checkpoint: string }>(
      `select incarnation, checkpoint from ${schema}.duty where name = $1 for update`,
      [holder.name],
    );
    const duty = rows[0];
    const free =
      duty !== undefined && (duty.incarnation === holder.incarnation || !(await isAlive(client, schema, duty.incarnation)));
    if (free && duty.incarnation !== holder.incarnation) {
      await client.query(`update ${schema}.duty set incarnation = $2, taken_at = clock_timestamp() where name = $1`, [
        holder.name,
        holder.incarnation,
      ]);
    }
    await client.query('commit');
    return free ? { name: holder.name, checkpoint: Number(duty.checkpoint) } : undefined;
  } catch (error) {
    broken = error as Error;
    throw error;
  } finally {
    client.release(broken);
  }
}

async function isAlive(client: pg.ClientBase, schema: string, incarnation: string): Promise<boolean> {
  const { rows } = await client.query<{ alive: boolean }>(
    `select exists (select from ${schema}.lease where incarnation = $1 and ends_at > clock_timestamp()) as alive`,
    [incarnation],
  );
  return rows[0]?.alive ?? false;
}

/** SQL that moves a checkpoint from a known place, only for who holds the duty: name, incarnation, from, to. No row = not ours. */
export function moveCheckpointSql(schema: string): string {
  return `update ${schema}.duty set checkpoint = $4 where name = $1 and incarnation = $2 and checkpoint = $3 returning checkpoint`;
}
