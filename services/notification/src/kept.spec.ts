import { readFileSync } from 'node:fs';
import { printedSchema } from '@understudy/testing';
import { expect, it } from 'vitest';

it('the schema that the migrations make is the one in schema.txt; `node tools/print-schema.mjs notification` renews it', async () => {
  const printed = await printedSchema('notification');
  expect(printed).toBe(readFileSync(new URL('../schema.txt', import.meta.url), 'utf8'));
});
