import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The services that run apart, in the order in which they are started: the orchestrator asks the others. */
export const SERVICES = ['inventory', 'drift', 'notification', 'orchestrator'] as const;
export type Service = (typeof SERVICES)[number];

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const SERVE_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 50;
const LOG_TAIL_BYTES = 3_000;

export interface ServiceProcessOptions {
  readonly service: Service;
  /** Its name among the replicas, and its INSTANCE_ID. */
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  /** Receives what it prints: its log, JSON lines. */
  readonly logFile: string;
  /** Arguments for Node before the program, e.g. `--import` of a preload. */
  readonly nodeArguments?: readonly string[];
}

interface Addresses {
  readonly rest: string;
  readonly grpc: string;
}

/** One service as a process of its own, as a deployment would start it. It comes back at the same addresses. */
export class ServiceProcess {
  private child: ChildProcess | undefined;
  private addresses: Addresses | undefined;

  constructor(readonly options: ServiceProcessOptions) {}

  get name(): string {
    return this.options.name;
  }

  /** undefined while it does not run. */
  get pid(): number | undefined {
    return this.isRunning() ? this.child?.pid : undefined;
  }

  /** `http://127.0.0.1:PORT`. @throws before it served for the first time. */
  get rest(): string {
    return this.known().rest;
  }

  /** `127.0.0.1:PORT`. @throws before it served for the first time. */
  get grpc(): string {
    return this.known().grpc;
  }

  /** Starts it and waits until it serves. @throws with the end of its log when it does not within 60 s. */
  async start(signal: AbortSignal = AbortSignal.timeout(SERVE_WITHIN_MS)): Promise<void> {
    if (this.isRunning()) throw new Error(`${this.name} runs already, as process ${this.child?.pid}.`);
    const { service, env, logFile, nodeArguments = [], name } = this.options;
    const log = openSync(logFile, 'a', 0o600);
    const from = readFileSync(logFile).length;
    const main = `${ROOT}services/${service}/dist/main.js`;
    const ports = this.addresses === undefined ? { LISTEN_PORT: '0', GRPC_PORT: '0' } : portsOf(this.addresses);
    // Its own process group: a Ctrl-C at the terminal reaches us, and we stop it in its turn.
    const child = spawn(process.execPath, [...nodeArguments, main], {
      stdio: ['ignore', log, log],
      detached: true,
      env: { ...inherited(), ...env, ...ports, INSTANCE_ID: name },
    });
    closeSync(log);
    this.child = child;
    this.addresses = await this.serving(from, signal);
  }

  /** SIGTERM, and SIGKILL when it has not ended within `limitMs`. Answers its exit code. */
  async stop(limitMs = STOP_WITHIN_MS): Promise<number | null> {
    return this.end('SIGTERM', limitMs);
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.end('SIGKILL', STOP_WITHIN_MS);
  }

  /** SIGSTOP: it stays, and does nothing. */
  freeze(): void {
    this.child?.kill('SIGSTOP');
  }

  /** SIGCONT. */
  thaw(): void {
    this.child?.kill('SIGCONT');
  }

  /** All that it has printed since it was first started. */
  log(): string {
    return existsSync(this.options.logFile) ? readFileSync(this.options.logFile, 'utf8') : '';
  }

  private known(): Addresses {
    if (this.addresses === undefined) throw new Error(`${this.name} has not served yet.`);
    return this.addresses;
  }

  private isRunning(): boolean {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  private async serving(from: number, signal: AbortSignal): Promise<Addresses> {
    const until = Date.now() + SERVE_WITHIN_MS;
    for (;;) {
      const said = readFileSync(this.options.logFile).subarray(from).toString('utf8');
      const line = said.split('\n').find((text) => text.includes('"msg":"serving"') && text.endsWith('}'));
      if (line !== undefined) return JSON.parse(line) as Addresses;
      if (!this.isRunning())
        throw new Error(`${this.name} ended before it served. It said:\n${said.slice(-LOG_TAIL_BYTES).trim()}`);
      if (Date.now() > until)
        throw new Error(
          `${this.name} did not serve within ${SERVE_WITHIN_MS / 1000} s. It said:\n${said.slice(-LOG_TAIL_BYTES).trim()}`,
        );
      await pause(LOOK_EVERY_MS, undefined, { signal });
    }
  }

  private async end(signal: 'SIGTERM' | 'SIGKILL', limitMs: number): Promise<number | null> {
    const { child } = this;
    if (child === undefined || !this.isRunning()) return child?.exitCode ?? null;
    const exited = once(child, 'exit');
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
    await exited;
    clearTimeout(timer);
    return child.exitCode;
  }
}

function portsOf({ rest, grpc }: Addresses): Readonly<Record<string, string>> {
  return { LISTEN_PORT: new URL(rest).port, GRPC_PORT: grpc.slice(grpc.lastIndexOf(':') + 1) };
}

/** What a process needs of the machine, and what its user says about logs and traces; none of our own settings by accident. */
function inherited(): Readonly<Record<string, string>> {
  const wanted = Object.entries(process.env).filter(([name]) =>
    /^(PATH|HOME|TMPDIR|LANG|LC_.*|TZ|NODE_OPTIONS|LOG_LEVEL|OTEL_.*)$/.test(name),
  );
  return Object.fromEntries(wanted.filter((entry): entry is [string, string] => entry[1] !== undefined));
}
