import { readFileSync } from 'node:fs';
import { printSchema } from '@understudy/event-log';
import { createTestDatabase } from '@understudy/testing';
import pg from 'pg';
import { expect, it } from 'vitest';

it('the schema that the migrations make is the one in schema.txt; `node tools/print-schema.mjs notification` renews it', async () => {
  const database = await createTestDatabase(['notification']);
  const pool = new pg.Pool({ connectionString: database.adminConnection });
  const printed = await printSchema(pool, 'notification');
  await pool.end();
  expect(printed).toBe(readFileSync(new URL('../schema.txt', import.meta.url), 'utf8'));
});
