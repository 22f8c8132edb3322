import { readFileSync, writeFileSync } from 'node:fs';
import { openApiDocument } from '@understudy/runtime';
import { printedSchema } from '@understudy/testing';
import { describe, expect, it } from 'vitest';
import { inventoryApi } from './index.js';

describe('documents that are kept', () => {
  it('the OpenAPI document is the one in openapi.json (UPDATE_OPENAPI=1 writes it anew)', () => {
    const file = new URL('../openapi.json', import.meta.url);
    const document = `${JSON.stringify(openApiDocument(inventoryApi), null, 2)}\n`;
    if (process.env['UPDATE_OPENAPI'] === '1') writeFileSync(file, document);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(JSON.parse(document));
  });
  it('the schema that the migrations make is the one in schema.txt; `node tools/print-schema.mjs inventory` renews it', async () => {
    const printed = await printedSchema('inventory');
    expect(printed).toBe(readFileSync(new URL('../schema.txt', import.meta.url), 'utf8'));
  });
});
