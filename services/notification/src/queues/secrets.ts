/**
 * Signing keys, table `webhook_secret`. They are needed in clear to sign; so they are rows that can be deleted, and neither events
 * (which stay for ever), nor views, logs or API answers, except the one that shows a new key once.
 */
import type { Store } from '@understudy/event-log';
import { registerSecret } from '@understudy/runtime';
import { newWebhookSecret } from '../channels/webhook/signature.js';

/** For this long after a rotation both keys sign. */
const OVERLAP = '1 day';

export class WebhookSecrets {
  constructor(private readonly store: Store) {}

  /** The key of a generation, made at the first call: a repeated request is shown the same one. */
  async ensure(subscriptionId: string, generation: number): Promise<string> {
    const { schema, pool } = this.store;
    const { rows } = await pool.query<{ secret: string }>(
      `with made as (
         insert into ${schema}.webhook_secret (subscription_id, generation, secret) values ($1, $2, $3)
         on conflict (subscription_id, generation) do nothing returning secret)
       select secret from made
       union all select secret from ${schema}.webhook_secret where subscription_id = $1 and generation = $2 limit 1`,
      [subscriptionId, generation, newWebhookSecret()],
    );
    const secret = rows[0]?.secret;
    // Somebody else made it between the two snapshots of this statement: now it is visible.
    if (secret === undefined) return await this.ensure(subscriptionId, generation);
    registerSecret(secret);
    return secret;
  }

  /** Older generations sign on for a day, then no more. */
  async retireBefore(subscriptionId: string, generation: number): Promise<void> {
    await this.store.pool.query(
      `update ${this.store.schema}.webhook_secret set retires_at = clock_timestamp() + interval '${OVERLAP}'
       where subscription_id = $1 and generation < $2 and retires_at is null`,
      [subscriptionId, generation],
    );
  }

  /** Keys that sign now, newest first, at most two. */
  async signing(subscriptionId: string): Promise<readonly string[]> {
    const { rows } = await this.store.pool.query<{ secret: string }>(
      `select secret from ${this.store.schema}.webhook_secret
       where subscription_id = $1 and (retires_at is null or retires_at > clock_timestamp()) order by generation desc limit 2`,
      [subscriptionId],
    );
    for (const { secret } of rows) registerSecret(secret);
    return rows.map(({ secret }) => secret);
  }

  async forget(subscriptionId: string): Promise<void> {
    await this.store.pool.query(`delete from ${this.store.schema}.webhook_secret where subscription_id = $1`, [subscriptionId]);
  }
}
