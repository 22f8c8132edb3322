import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { SERVICE_NAMES, exportsIn, verifyLog, readTrustedKeys, type TrustedKeys, type Verification } from '@understudy/event-log';
import pg from 'pg';
import { reach } from '../backup/run.js';
import { openDataFolder } from '../folder.js';
import { DEFAULT_DATA_FOLDER } from '../settings.js';
import { verifyFiles, serviceOf } from './files.js';

const HELP = `npm run verify -- [--data DIR] [--checkpoints FILE]... [--key FILE]
npm run verify -- --store URL --key FILE [--checkpoints FILE]...
npm run verify -- --offline --key FILE --checkpoints FILE... [--events FILE]...

Recomputes the logs of the four services, every chain and every position, and compares them with the signed checkpoints that the
database holds, that the data folder holds, and that --checkpoints names: copies that you took away earlier. Keys are those of
--key (PEM, public keys will do) or of the data folder. With --store it reads any PostgreSQL of yours, by a role that may read.

--offline needs no database: it checks signatures and links of exported checkpoints, and whether the events in FILE (what
GET /v1/rollouts/ID/events answered) are what was signed. Exit code 0: intact, 1: not, or not to be told, 2: used wrongly.
`;

/** Answers the exit code. `print` gets whole lines. */
export async function runVerify(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  print: (text: string) => void,
): Promise<number> {
  let args: Args;
  try {
    args = parse(argv, env);
  } catch (error) {
    print(`${messageOf(error)}\n\n${HELP}`);
    return 2;
  }
  if (args.help) {
    print(HELP);
    return 0;
  }
  try {
    return (await work(args, print)) ? 0 : 1;
  } catch (error) {
    print(`${messageOf(error)}\n`);
    return 1;
  }
}

interface Args {
  readonly help: boolean;
  readonly offline: boolean;
  readonly data: string;
  readonly store: string | undefined;
  readonly key: string | undefined;
  readonly checkpoints: readonly string[];
  readonly events: readonly string[];
}

function parse(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Args {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      data: { type: 'string' },
      store: { type: 'string' },
      key: { type: 'string' },
      checkpoints: { type: 'string', multiple: true, default: [] },
      events: { type: 'string', multiple: true, default: [] },
      offline: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const { help, offline, store, key, checkpoints, events } = values;
  const data = resolve(values.data ?? env['DATA_FOLDER'] ?? DEFAULT_DATA_FOLDER);
  const args = { help, offline, data, store, key, checkpoints, events };
  const misused = help ? undefined : misuse(args);
  if (misused !== undefined) throw new Error(misused);
  return args;
}

function misuse({ offline, store, key, checkpoints, events }: Args): string | undefined {
  if ((offline || store !== undefined) && key === undefined) return 'Name the public key with --key.';
  if (offline && checkpoints.length === 0) return 'Name an exported file with --checkpoints.';
  return !offline && events.length > 0 ? '--events goes with --offline.' : undefined;
}

function work(args: Args, print: (text: string) => void): Promise<boolean> {
  if (args.offline) return verifyFiles({ trusted: keysOf(args.key ?? ''), ...args }, print);
  if (args.store !== undefined) return verifyStore({ connection: args.store, trusted: keysOf(args.key ?? ''), args }, print);
  return verifyFolder(args, print);
}

async function verifyFolder(args: Args, print: (text: string) => void): Promise<boolean> {
  if (!existsSync(args.data)) throw new Error(`There is no folder ${args.data}. Name the data folder with --data.`);
  const folder = openDataFolder(args.data);
  const trusted = keysOf(args.key ?? folder.checkpointKey);
  const store = await reach(folder);
  try {
    const kept = { connection: store.adminConnection, trusted, args, folder: folder.checkpoints };
    return await verifyStore(kept, print);
  } finally {
    await store.release();
  }
}

interface Subject {
  readonly connection: string;
  readonly trusted: TrustedKeys;
  readonly args: Args;
  /** Where the installation itself exports to. */
  readonly folder?: string;
}

async function verifyStore({ connection, trusted, args, folder }: Subject, print: (text: string) => void): Promise<boolean> {
  const client = new pg.Client({ connectionString: connection, application_name: 'understudy-verify' });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const brought = await Promise.all(args.checkpoints.map(async (file) => ({ file, service: await serviceOf(file) })));
    let intact = true;
    for (const service of SERVICE_NAMES) {
      const own = folder === undefined ? [] : exportsIn(folder, service);
      const exportedFiles = [...own, ...brought.filter((one) => one.service === service).map(({ file }) => file)];
      const found = await verifyLog(client, service, { stream: undefined, evidence: { trusted, exportedFiles } });
      print(`${service}: ${inWords(found)}\n`);
      intact &&= found.intact;
    }
    return intact;
  } finally {
    await client.end();
  }
}

function inWords(found: Verification): string {
  if (found.intact) return `intact, ${found.events} events. ${found.signed?.says ?? ''}`;
  const where = found.stream === '' ? `position ${found.position}` : `position ${found.position}, stream ${found.stream}`;
  return `NOT INTACT at ${where}: ${found.reason}`;
}

function keysOf(file: string): TrustedKeys {
  return readTrustedKeys(readFileSync(file, 'utf8'), file);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
