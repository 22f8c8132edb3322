/**
 * The product in its distributed shape, started as `npm run distributed` starts it, for specs that look at it from outside: REST,
 * gRPC, Kafka, the practice nodes, signals. One at a time: starting one ends the one before.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  needsBroker,
  RpcClient,
  serviceFor,
  startStage,
  type DistributedStage,
  type DistributedStageOptions,
  type ServiceProcess,
} from '@understudy/testing';
import { afterAll, beforeEach, inject } from 'vitest';
import { processesNaming } from '../demo.js';
import { startOtlpReceiver, type OtlpReceiver } from '../otlp.js';
import { REPOSITORY } from '../product.js';
import { Rest } from './rest.js';
import { Undo } from './undo.js';

export const START_LIMIT_MS = 240_000;
export const STOP_LIMIT_MS = 180_000;
const LOG_TAIL_BYTES = 4_000;
const PRELOAD = join(REPOSITORY, 'libs/runtime/dist/otel/preload.js');

export interface SystemOptions {
  /** Spans of every process go to `System.spans`. Default false. */
  readonly traced?: boolean;
  /** Further settings by service. */
  readonly settings?: NonNullable<DistributedStageOptions['settings']>;
}

export interface System {
  /** Everything of it lies here. */
  readonly folder: string;
  /** Processes by service, broker and store: to be killed, frozen and started again. */
  readonly stage: DistributedStage;
  /** With an admin's token. */
  readonly rest: Rest;
  /** What was exported, if `traced`. */
  readonly spans: OtlpReceiver | undefined;
  /** Undone when the system ends, in reverse order, before its services stop. */
  readonly undo: Undo;
  /** A gRPC client of this process with an admin's token; closed with the system. */
  rpc(process: ServiceProcess): RpcClient;
  /** The end of every log, for a person. */
  logs(): string;
  /** @throws when anything could not be undone, or a process or file stays. */
  close(): Promise<void>;
}

let current: System | undefined;
let started = 0;

/** Starts the stage in a folder of its own below this run's. */
export async function startSystem(options: SystemOptions = {}): Promise<System> {
  await current?.close();
  const folder = join(inject('room'), `system-${++started}`);
  mkdirSync(folder);
  chmodSync(folder, 0o711);
  // Temporary files of fixtures go there too, so that nothing lies elsewhere.
  process.env['TMPDIR'] = folder;
  const ground = new Undo();
  const undo = new Undo();
  const close = async (): Promise<void> => {
    current = undefined;
    const failures = [...(await undo.run()), ...(await ground.run()), ...left(folder)];
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    if (failures.length > 0) throw new Error(`Something was left behind:\n${failures.join('\n')}`);
  };
  try {
    const spans = options.traced === true ? await startOtlpReceiver() : undefined;
    if (spans !== undefined) ground.defer('receiver of spans', () => spans.close());
    const stage = await startStage({
      folder: join(folder, 'stage'),
      signal: AbortSignal.timeout(START_LIMIT_MS),
      defer: (what, step) => ground.defer(what, step),
      nodeArguments: spans === undefined ? [] : ['--import', PRELOAD],
      settings: settingsOf(options, spans),
    });
    const rest = new Rest((path) => stage.services[serviceFor(path)].rest, stage.token);
    const rpc = (process: ServiceProcess): RpcClient => {
      const client = new RpcClient({ address: process.grpc, token: () => stage.token });
      undo.defer('gRPC client', () => client.close());
      return client;
    };
    current = { folder, stage, rest, spans, undo, rpc, logs: () => logsOf(stage.folder), close };
    return current;
  } catch (error) {
    const words = logsOf(join(folder, 'stage'));
    await close().catch(() => undefined);
    throw Object.assign(error as Error, { logs: words });
  }
}

/** One system for the tests of a file: started before the first, ended after the last; a failed test shows the ends of its logs. */
export function ownSystem(options: SystemOptions = {}): () => System {
  let starting: Promise<System> | undefined;
  let system: System | undefined;
  const start = async (): Promise<void> => void (system = await (starting ??= startSystem(options)));
  beforeEach(async (context) => {
    await needsBroker(context, start);
    context.onTestFailed(() => void process.stderr.write(`${system?.logs() ?? ''}\n`));
  }, START_LIMIT_MS);
  afterAll(async () => (await starting?.catch(() => undefined))?.close(), STOP_LIMIT_MS);
  return () => {
    if (system === undefined) throw new Error('The system is there within tests only.');
    return system;
  };
}

function settingsOf({ settings = {} }: SystemOptions, spans: OtlpReceiver | undefined): NonNullable<SystemOptions['settings']> {
  if (spans === undefined) return settings;
  const traced = { OTEL_EXPORTER_OTLP_ENDPOINT: spans.endpoint, OTEL_BSP_SCHEDULE_DELAY: '500' };
  const services = ['inventory', 'drift', 'orchestrator', 'notification'] as const;
  return Object.fromEntries(services.map((service) => [service, { ...traced, ...settings[service] }]));
}

function left(folder: string): readonly string[] {
  return processesNaming(folder).map((pid) => `process ${pid} still runs`);
}

function logsOf(stageFolder: string): string {
  const logs = join(stageFolder, 'logs');
  const files = existsSync(logs) ? readdirSync(logs).map((name) => join(logs, name)) : [];
  return [...files, join(stageFolder, 'kafka', 'server.log')]
    .filter((file) => existsSync(file))
    .map((file) => `---- the end of ${file}\n${readFileSync(file, 'utf8').slice(-LOG_TAIL_BYTES)}`)
    .join('\n');
}
