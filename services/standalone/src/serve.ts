import { rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { planListen, writePrivateFile } from '@understudy/runtime';
import { compose, type Product } from './compose.js';
import { openDataFolder, takeDataFolder, type DataFolder } from './folder.js';
import type { StandaloneSettings } from './settings.js';
import { openDatabase, type Database } from './store.js';

/** Requests, steps under way and the store get this long together; what is not finished then is found again at the next start. */
const CLOSE_WITHIN_MS = 30_000;

/**
 * Runs the product on its data folder until SIGTERM or SIGINT, also when one comes while it starts; a second signal ends
 * it at once. Answers the exit code.
 * @throws when it cannot start, with nothing left running.
 */
export async function serve(settings: StandaloneSettings, print: (text: string) => void): Promise<number> {
  planListen(settings);
  const stopped = untilStopped();
  const folder = openDataFolder(resolve(settings.dataFolder));
  const giveBack = takeDataFolder(folder);
  let database: Database | undefined;
  let product: Product | undefined;
  try {
    rmSync(folder.address, { force: true });
    database = await openDatabase(folder, settings.storeUrl);
    product = await compose({ settings, folder, database });
    announce(folder, product, print);
    const ended = await Promise.race([stopped.then(() => 'signal' as const), database.ended.then(() => 'store' as const)]);
    if (ended === 'store')
      throw new Error(`the embedded store ended and did not come back; its log is ${folder.store}/server.log`);
    return 0;
  } finally {
    const late = setTimeout(() => process.exit(1), CLOSE_WITHIN_MS);
    rmSync(folder.address, { force: true });
    await product?.close();
    await database?.stop();
    giveBack();
    clearTimeout(late);
  }
}

/** Resolves with the first signal. */
function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    let signals = 0;
    const onSignal = (): void => {
      signals += 1;
      if (signals > 1) process.exit(1);
      resolve();
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}

function announce(folder: DataFolder, product: Product, print: (text: string) => void): void {
  const { address } = product;
  writePrivateFile(
    folder.address,
    `${JSON.stringify({ address, tokenFile: folder.adminToken, pid: process.pid, startedAt: new Date().toISOString() })}\n`,
  );
  print(`Understudy serves ${address}

  token   ${folder.adminToken} (made at the first start; only you can read it)
  data    ${folder.path}
  API     ${address}/v1/orchestrator/openapi.json
  next    describe your cluster as in docs/first-steps/cluster.yaml, then follow docs/first-steps/first-steps.sh with
          ADDRESS=${address} TOKEN_FILE=${folder.adminToken}

Stop it with Ctrl-C.
`);
}
