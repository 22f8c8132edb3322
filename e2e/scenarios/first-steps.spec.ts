/** README's promise: these steps, and nothing else, patch a cluster of your own. */
import { execFile } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { postgresBinaries } from '@understudy/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OwnPair, buildOwnPair } from '../support/own-pair.js';
import { type RunningProduct, startProduct } from '../support/product.js';

const STEPS = fileURLToPath(new URL('../../docs/first-steps/', import.meta.url));
const STEPS_LIMIT_MS = 180_000;

describe('first steps with a cluster of one’s own', () => {
  const older = postgresBinaries('older');
  const newer = postgresBinaries('newer');
  let folder: string;
  let pair: OwnPair | undefined;
  let product: RunningProduct | undefined;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'understudy-first-steps-'));
    chmodSync(folder, 0o755);
    pair = await buildOwnPair(join(folder, 'orders'), older, newer);
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
      for (const node of pair!.nodes) expect(await pair!.ask(node, 'select version()')).toContain(`PostgreSQL ${older.version} `);
      const { stdout } = await promisify(execFile)('sh', [join(STEPS, 'first-steps.sh')], {
        timeout: STEPS_LIMIT_MS,
        env: {
          ...process.env,
          ADDRESS: product!.address,
          TOKEN_FILE: product!.tokenFile,
          SECRETS: writeSecrets(join(folder, 'secrets'), pair!),
          DOCUMENTS: writeDocuments(join(folder, 'documents'), pair!),
        },
      });
      expect(stdout).toContain('succeeded');
      for (const node of pair!.nodes) expect(await pair!.ask(node, 'select version()')).toContain(`PostgreSQL ${newer.version} `);
      const standby = await Promise.all(pair!.nodes.map((node) => pair!.ask(node, 'select pg_is_in_recovery()')));
      expect(standby.sort()).toEqual(['false', 'true']);
    },
    STEPS_LIMIT_MS,
  );
});

function writeSecrets(folder: string, pair: OwnPair): string {
  mkdirSync(folder, { mode: 0o700 });
  for (const [role, { user, password }] of Object.entries(pair.logins)) {
    writeFileSync(join(folder, `${role}.user`), user, { mode: 0o600 });
    writeFileSync(join(folder, `${role}.password`), password, { mode: 0o600 });
  }
  return folder;
}

/** The documents as they are, with this pair's folders and ports. */
function writeDocuments(folder: string, pair: OwnPair): string {
  cpSync(STEPS, folder, { recursive: true });
  const cluster = join(folder, 'cluster.yaml');
  const documented = ['5433', '5434'];
  const adapted = pair.nodes.reduce(
    (text, node, index) =>
      text.replace(`/srv/orders/${node.slug}`, node.root).replace(`'${documented[index]}'`, `'${node.port}'`),
    readFileSync(cluster, 'utf8'),
  );
  writeFileSync(cluster, adapted);
  return folder;
}
