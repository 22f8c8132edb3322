import { join } from 'node:path';
import { parse } from '../demo/args.js';
import { Cleanup } from '../demo/cleanup.js';
import type { StartProduct } from '../demo/product.js';
import { runDemo, type DemoEnd } from '../demo/run.js';
import { Api } from '../rest/api.js';
import { readArgs, helpText, type DistributedArgs } from './args.js';
import { serviceFor } from './route.js';
import { SERVICES } from './service-process.js';
import { startStage, writeAddresses, type Stage } from './stage.js';

const CLEANUP_STEP_LIMIT_MS = 40_000;
const EXIT_BY_SIGNAL = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

async function main(): Promise<number> {
  const args = readArgs(process.argv.slice(2));
  if (args === 'help') {
    process.stdout.write(helpText());
    return 0;
  }
  if (typeof args === 'string') {
    process.stderr.write(`${args} See npm run distributed -- --help.\n`);
    return 2;
  }
  const cleanup = new Cleanup();
  const interrupt = new AbortController();
  let signalled: keyof typeof EXIT_BY_SIGNAL | undefined;
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      signalled ??= name;
      interrupt.abort(new Error(`stopped by ${name}`));
    });
  }
  let code = 1;
  try {
    code = await play(args, cleanup, interrupt.signal);
  } catch (error) {
    if (signalled === undefined) process.stderr.write(`${wordsOf(error)}\n`);
  }
  return leave(await cleanup.run(CLEANUP_STEP_LIMIT_MS), code, args.stay && code === 0 ? undefined : signalled);
}

/** @param signalled what ended a run that was to end by itself; undefined = nothing, or Ctrl-C as it should be. */
function leave(left: readonly string[], code: number, signalled: keyof typeof EXIT_BY_SIGNAL | undefined): number {
  for (const sentence of left) process.stderr.write(`Not undone: ${sentence}\n`);
  if (left.length > 0) return 1;
  if (signalled === undefined) return code;
  process.stderr.write(`Stopped by ${signalled}; nothing was left behind.\n`);
  return EXIT_BY_SIGNAL[signalled];
}

/** Runs the window, or as far as it gets; answers the exit code. */
async function play(args: DistributedArgs, cleanup: Cleanup, signal: AbortSignal): Promise<number> {
  let stage: Stage | undefined;
  let starting: Promise<Stage> | undefined;
  const startProduct: StartProduct = (folder, _logFile, aborted) => {
    const started = startStage({
      folder,
      signal: aborted,
      defer: (what, undo) => cleanup.defer(what, undo),
      nodeArguments: args.nodeArguments,
    });
    started.catch(() => undefined);
    starting = started;
    return {
      // Each part is promised to the cleanup by itself.
      stop: () => Promise.resolve(),
      ready: async () => {
        stage = await started;
        return { api: apiOf(stage, aborted), words: wordsFor(stage) };
      },
    };
  };
  const parsed = parse(args.demo, [], () => 0);
  if (parsed.parsed !== 'run') throw new Error('The arguments were not understood.');
  try {
    const end = await runDemo({ args: parsed.args, screen: process.stdout, cleanup, signal, startProduct });
    const code = finish(end);
    if (args.stay && stage !== undefined) await stay(stage, signal);
    return code;
  } finally {
    // What is being started has to be known to the cleanup before that begins.
    await Promise.allSettled([starting]);
  }
}

function apiOf(stage: Stage, signal: AbortSignal): Api {
  return new Api((path) => stage.services[serviceFor(path)].rest, stage.token, signal);
}

function wordsFor({ services }: Stage): string {
  return SERVICES.map((name) => `${name} ${services[name].rest} (process ${services[name].pid})`).join(', ');
}

function finish(end: DemoEnd): number {
  for (const problem of end.problems) process.stdout.write(`WRONG: ${problem}\n`);
  process.stdout.write(`${JSON.stringify(end.line)}\n`);
  return end.problems.length === 0 ? 0 : 1;
}

/** Prints where everything is and waits for the signal. */
async function stay(stage: Stage, signal: AbortSignal): Promise<void> {
  const file = join(stage.folder, 'addresses.json');
  writeAddresses(stage, file);
  const lines = SERVICES.map((name) => {
    const { pid, rest, grpc } = stage.services[name];
    return `  ${name.padEnd(13)} REST ${rest}  gRPC ${grpc}  process ${pid}`;
  });
  process.stdout.write(`
${lines.join('\n')}
  ${'kafka'.padEnd(13)} ${stage.broker.address} (authority ${stage.broker.caFile}; logins ${stage.broker.folder}/users.json)
  ${'postgresql'.padEnd(13)} 127.0.0.1:${stage.postgres.port} (folder ${stage.postgres.dataFolder})
  ${'token'.padEnd(13)} ${stage.tokenFile}
  ${'logs'.padEnd(13)} ${stage.folder}/logs
  ${'all of this'.padEnd(13)} ${file}

It stays until Ctrl-C; then nothing of it is left.
`);
  if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

function wordsOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return error instanceof Error && error.name === 'BrokerUnavailable' ? text : `The distributed run failed: ${text}`;
}

process.exitCode = await main();
