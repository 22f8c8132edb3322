/**
 * A service as a process of its own. Its `main.ts` is one call:
 *
 *     process.exit(await runService(drift, process.argv.slice(2), process.env));
 *
 * where `drift` says its settings and how it is put together from a store and a transport.
 */
import type { DynamicModule } from '@nestjs/common';
import type { ServiceName, Store } from '@understudy/event-log';
import type { Transport } from '@understudy/messaging';
import { createRuntime } from '../boot.js';
import { checkpointKeyCommand } from '../checkpoint-key-command.js';
import type { Runtime } from '../boot.js';
import { parseSettings, settingsHelp } from '../config.js';
import type { Settings, SettingsTable } from '../config.js';
import type { GrpcOptions } from '../grpc/server.js';
import { planListen } from '../listen.js';
import { redactText } from '../redaction.js';
import { tokenCommand } from '../token-command.js';
import { TokenStore } from '../tokens.js';
import { flushTraces } from '../tracing.js';
import { serve } from './serve.js';
import { processSettings } from './settings.js';
import type { credentialSettings, ProcessSettingsTable } from './settings.js';

/** What a process has when its service is put together. */
export interface ServiceParts<T extends SettingsTable> {
  readonly settings: Settings<ProcessSettingsTable> & Settings<T>;
  readonly runtime: Runtime;
  readonly store: Store;
  readonly transport: Transport;
}

/** A service put together, not yet started. */
export interface ServiceComposition {
  readonly modules: readonly DynamicModule[];
  /** Served at the gRPC port; their controllers are among the modules. */
  readonly grpc: GrpcOptions['services'];
  /** Called after everything has stopped. */
  readonly close?: () => void;
}

export interface ServiceProgram<T extends SettingsTable> {
  readonly service: ServiceName;
  /** One sentence for `--help`. */
  readonly about: string;
  readonly settings: T;
  readonly compose: (parts: ServiceParts<T>) => ServiceComposition;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Everything that `--help` prints, and that a deployment may set: common settings, then the service's own. */
export function settingsOf<T extends SettingsTable>(program: ServiceProgram<T>): ProcessSettingsTable & T {
  return { ...processSettings(program.service), ...program.settings };
}

/** Answers the exit code: 0 stopped or done, 1 could not start or stop, 2 used wrongly. */
export async function runService<T extends SettingsTable>(
  program: ServiceProgram<T>,
  argv: readonly string[],
  env: Environment,
): Promise<number> {
  const [first, ...rest] = argv;
  if (first === '--help') return say(helpOf(program));
  if (first === 'token') return token(rest, env);
  if (first === 'checkpoint-key') return checkpointKey(rest, env);
  if (first !== undefined) {
    process.stderr.write(`There is no argument ${first}. Settings come from the environment; --help prints them.\n`);
    return 2;
  }
  let settings: Settings<ProcessSettingsTable> & Settings<T>;
  try {
    settings = parseSettings(settingsOf(program), env);
    planListen(settings);
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    return 2;
  }
  const runtime = createRuntime({
    service: program.service,
    logLevel: settings.logLevel,
    tokensFile: settings.tokensFile,
    credentialsFile: fileOf(settings, 'credentialsFile') ?? '',
    knownHostsFile: fileOf(settings, 'knownHostsFile'),
  });
  try {
    return await serve(program, settings, runtime);
  } catch (error) {
    runtime.log.error({ err: error }, 'not started');
    process.stderr.write(`Not started: ${redactText(messageOf(error))}\n`);
    return 1;
  } finally {
    await flushTraces();
  }
}

/** A service that reaches no cluster has neither definitions of credentials nor host keys to read. */
function fileOf(settings: Readonly<Record<string, unknown>>, name: keyof typeof credentialSettings): string | undefined {
  const file = settings[name];
  return typeof file === 'string' ? file : undefined;
}

function helpOf<T extends SettingsTable>(program: ServiceProgram<T>): string {
  const head = `node services/${program.service}/dist/main.js
node services/${program.service}/dist/main.js token create --subject NAME --role ROLE | revoke ID | list
node services/${program.service}/dist/main.js checkpoint-key create | rotate | public
node services/${program.service}/dist/migrate.js --help

${program.about} It runs until SIGTERM or SIGINT. The tokens are those of TOKENS_FILE,
the keys those of CHECKPOINT_KEY_FILE.`;
  return settingsHelp(head, settingsOf(program));
}

function say(text: string): number {
  process.stdout.write(text);
  return 0;
}

function token(args: readonly string[], env: Environment): Promise<number> | number {
  const file = env['TOKENS_FILE'];
  if (file === undefined || file === '') {
    process.stderr.write('TOKENS_FILE is not set: it names the file that keeps the hashes of tokens.\n');
    return 2;
  }
  return tokenCommand(new TokenStore(file), args, (text) => process.stdout.write(text));
}

function checkpointKey(args: readonly string[], env: Environment): number {
  const file = env['CHECKPOINT_KEY_FILE'];
  if (file === undefined || file === '') {
    process.stderr.write('CHECKPOINT_KEY_FILE is not set: it names the file with the keys that sign checkpoints.\n');
    return 2;
  }
  return checkpointKeyCommand(file, args, (text) => process.stdout.write(text));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
