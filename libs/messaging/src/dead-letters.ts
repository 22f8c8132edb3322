/** Dead letters are rows in the consumer's schema (a work queue, not events): table `dead_letter`, made by event-log's migrations. */
import type { Store } from '@understudy/event-log';
import type { CloudEvent, DeadLetter } from './api.js';

const LIST_LIMIT = 500;

interface Row {
  readonly consumer_group: string;
  readonly message: CloudEvent;
  readonly reason: string;
  readonly attempts: number;
  readonly died_at: Date;
}

/**
 * PostgreSQL holds no U+0000 in text, and a message that could not be buried would block its partition for good. Its JSON, which holds
 * it as an escape, stays as it came.
 */
const held = (text: string): string => text.replaceAll('\u0000', '\ufffd');

/** Keeps a message; burying it again adds to its attempts. */
export async function bury(store: Store, letter: Omit<DeadLetter, 'diedAt'>): Promise<void> {
  const { group, message, reason, attempts } = letter;
  await store.pool.query(
    `insert into ${store.schema}.dead_letter as d (consumer_group, source, id, message, reason, attempts)
     values ($1, $2, $3, $4, $5, $6)
     on conflict (consumer_group, source, id) do update
       set reason = excluded.reason, attempts = d.attempts + excluded.attempts, died_at = clock_timestamp()`,
    [group, held(message.source), held(message.id), JSON.stringify(message), held(reason), attempts],
  );
}

export async function listDeadLetters(store: Store, group: string): Promise<readonly DeadLetter[]> {
  const { rows } = await store.pool.query<Row>(
    `select consumer_group, message, reason, attempts, died_at from ${store.schema}.dead_letter
     where consumer_group = $1 order by died_at limit ${LIST_LIMIT}`,
    [group],
  );
  return rows.map(letterOf);
}

export async function findDeadLetter(store: Store, group: string, source: string, id: string): Promise<DeadLetter | undefined> {
  const { rows } = await store.pool.query<Row>(
    `select consumer_group, message, reason, attempts, died_at from ${store.schema}.dead_letter
     where consumer_group = $1 and source = $2 and id = $3`,
    [group, held(source), held(id)],
  );
  return rows[0] === undefined ? undefined : letterOf(rows[0]);
}

export async function removeDeadLetter(store: Store, group: string, source: string, id: string): Promise<void> {
  await store.pool.query(`delete from ${store.schema}.dead_letter where consumer_group = $1 and source = $2 and id = $3`, [
    group,
    held(source),
    held(id),
  ]);
}

function letterOf(row: Row): DeadLetter {
  return {
    group: row.consumer_group,
    message: row.message,
    reason: row.reason,
    attempts: row.attempts,
    diedAt: row.died_at.toISOString(),
  };
}
