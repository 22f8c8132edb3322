/** README's promise: these steps, and nothing else, patch a cluster of your own. */
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeDocuments } from '../support/documents.js';
import { type OwnPair, buildOwnPair, release } from '../support/own-pair.js';
import { type RunningProduct, startProduct } from '../support/product.js';

const STEPS = fileURLToPath(new URL('../../docs/first-steps/', import.meta.url));
const STEPS_LIMIT_MS = 180_000;

describe('first steps with a cluster of one’s own', () => {
  const older = release('older');
  const newer = release('newer');
  let folder: string;
  let pair: OwnPair | undefined;
  let product: RunningProduct | undefined;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'understudy-first-steps-'));
    chmodSync(folder, 0o755);
    pair = await buildOwnPair(join(folder, 'orders'));
    product = await startProduct(join(folder, 'understudy-data'));
  });

  afterAll(async () => {
    await product?.stop();
    await pair?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it(
    'the documented script patches both nodes, and the report says so',
    async () => {
      expect(await pair!.versions()).toEqual([older.version, older.version]);
      const { stdout } = await promisify(execFile)('sh', [join(STEPS, 'first-steps.sh')], {
        timeout: STEPS_LIMIT_MS,
        env: {
          ...process.env,
          ADDRESS: product!.address,
          TOKEN_FILE: product!.tokenFile,
          SECRETS: pair!.secrets,
          DOCUMENTS: writeDocuments(join(folder, 'documents'), pair!),
        },
      });
      expect(stdout).toContain('succeeded');
      expect(await pair!.versions()).toEqual([newer.version, newer.version]);
      await pair!.serving(); // throws unless exactly one node accepts writes
    },
    STEPS_LIMIT_MS,
  );
});
