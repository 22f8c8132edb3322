/**
 * A real Apache Kafka of one node, started by us in a folder of its own, for tests, the distributed stage and benchmarks. Not for
 * production: one replica, small heap. Without Java or Maven `startBroker` throws `BrokerUnavailable` and says what is missing.
 *
 * FOLDER/log                  the broker's data: what survives a kill
 * FOLDER/server.properties    made anew at each start, ports kept
 * FOLDER/server.log           what the broker says
 * FOLDER/ca.pem, server.pem   certificate and key of a secure broker, made at its first start
 * FOLDER/broker.pid           whom to end if we died
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type KafkaOptions, kafkaReady } from '@understudy/messaging';
import { freePort } from '@understudy/runtime';
import { certificate } from '../pair/certificate.js';
import { BrokerUnavailable, brokerJars } from './jars.js';
import { type BrokerShape, serverProperties } from './settings.js';

const FORMAT_LIMIT_MS = 60_000;
const READY_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 20_000;
const KILL_LIMIT_MS = 10_000;
const POLL_MS = 50;
const PORT_ATTEMPTS = 3;
const LOG_TAIL_BYTES = 2_000;
const CERTIFICATE_DAYS = 365;
const HEAP = [
  '-Xms128m',
  '-Xmx384m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
];

const run = promisify(execFile);

export interface BrokerOptions {
  /** Created if absent; kept by `stop`, found again by the next start. Default: a temporary folder that `stop` removes. */
  readonly folder?: string;
  /** Clients come over TLS with SCRAM; these users exist, by password, beside a super user `admin`. Only read when a folder is new. */
  readonly secure?: { readonly users: Readonly<Record<string, string>> };
  /** What no ACL allows is refused. The super user of a secure broker may do everything. Default false. */
  readonly authorize?: boolean;
  /** Further lines of `server.properties`. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface Broker {
  /** What clients dial: `127.0.0.1:PORT`, or `localhost:PORT` where TLS checks the name. The same after a restart. */
  readonly address: string;
  readonly folder: string;
  /** PEM of the certificate to trust; only of a secure broker. */
  readonly caFile?: string;
  /** The broker's process; undefined while it is down. */
  readonly pid: number | undefined;
  /** Way in as a client; `user` is one of `secure.users`, default the super user. Holds the password: never log it. */
  client(clientId: string, user?: string): KafkaOptions;
  /** SIGTERM, and SIGKILL after `limitMs` (default 20 s); then it does not come back. */
  stop(limitMs?: number): Promise<void>;
  /** SIGKILL; `restart` brings it back on the same port and data. */
  kill(): Promise<void>;
  /** SIGTERM; `restart` brings it back. */
  shutDown(): Promise<void>;
  /** Starts it again after `kill` or `shutDown`; returns when it is ready. */
  restart(): Promise<void>;
  /** SIGSTOP: connections stay, nothing answers. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
}

interface Installation {
  readonly jars: string;
  readonly folder: string;
  readonly temporary: boolean;
  readonly options: BrokerOptions;
  readonly passwords: Readonly<Record<string, string>> | undefined;
}

/** Starts a broker and returns when it answers and coordinates groups. Throws `BrokerUnavailable`. */
export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  const jars = await brokerJars();
  const folder = resolve(options.folder ?? mkdtempSync(join(tmpdir(), 'understudy-broker-')));
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const passwords = options.secure === undefined ? undefined : secretsOf(folder, options.secure.users);
  const broker = new BrokerProcess({ jars, folder, temporary: options.folder === undefined, options, passwords });
  try {
    await broker.start();
  } catch (error) {
    await broker.stop();
    throw error;
  }
  return broker;
}

/** Passwords of a secure broker: kept in its folder, since SCRAM credentials lie in its log. */
function secretsOf(folder: string, users: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const file = join(folder, 'users.json');
  if (!existsSync(file)) {
    const all = { ...users, admin: randomBytes(18).toString('base64url') };
    writeFileSync(file, JSON.stringify(all), { mode: 0o600 });
    const made = certificate({ commonName: 'localhost', notBefore: new Date(Date.now() - 3_600_000), days: CERTIFICATE_DAYS });
    writeFileSync(join(folder, 'ca.pem'), made.cert);
    writeFileSync(join(folder, 'server.pem'), `${made.key}${made.cert}`, { mode: 0o600 });
  }
  return JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
}

class BrokerProcess implements Broker {
  private child: ChildProcess | undefined;
  private ports: { readonly client: number; readonly controller: number } | undefined;
  private readonly atExit = (): void => void this.child?.kill('SIGKILL');

  constructor(private readonly home: Installation) {}

  get folder(): string {
    return this.home.folder;
  }

  get caFile(): string {
    return join(this.home.folder, 'ca.pem');
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  get address(): string {
    return `${this.home.passwords === undefined ? '127.0.0.1' : 'localhost'}:${this.ports?.client}`;
  }

  client(clientId: string, user = 'admin'): KafkaOptions {
    const { passwords } = this.home;
    if (passwords === undefined) return { brokers: [this.address], clientId };
    const password = passwords[user];
    if (password === undefined)
      throw new RangeError(`The broker has no user ${user}; it has ${Object.keys(passwords).join(', ')}.`);
    const sasl = { mechanism: 'scram-sha-512', username: user, password } as const;
    return { brokers: [this.address], clientId, tls: { caFile: this.caFile }, sasl };
  }

  async start(): Promise<void> {
    await endLeftover(this.home.folder);
    for (let attempt = 1; ; attempt += 1) {
      this.ports ??= { client: await freePort(), controller: await freePort() };
      this.writeSettings();
      await this.format();
      try {
        await this.launch();
        return;
      } catch (error) {
        await this.end('SIGKILL', KILL_LIMIT_MS);
        // Somebody may have taken the port between our look and the broker's bind.
        if (attempt >= PORT_ATTEMPTS || !this.tail().includes('Address already in use')) throw error;
        this.ports = undefined;
      }
    }
  }

  async stop(limitMs = STOP_LIMIT_MS): Promise<void> {
    await this.end('SIGTERM', limitMs);
    if (this.home.temporary) rmSync(this.home.folder, { recursive: true, force: true });
  }

  async kill(): Promise<void> {
    await this.end('SIGKILL', KILL_LIMIT_MS);
  }

  async shutDown(): Promise<void> {
    await this.end('SIGTERM', STOP_LIMIT_MS);
  }

  async restart(): Promise<void> {
    if (this.child !== undefined) throw new Error('The broker runs; kill it or shut it down first.');
    await this.launch();
  }

  freeze(): void {
    this.child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.child?.kill('SIGCONT');
  }

  private file(name: string): string {
    return join(this.home.folder, name);
  }

  private writeSettings(): void {
    const { folder, options, passwords } = this.home;
    if (this.ports === undefined) throw new Error('The ports come first.');
    const shape: BrokerShape = {
      logFolder: join(folder, 'log'),
      port: this.ports.client,
      controllerPort: this.ports.controller,
      authorize: options.authorize ?? false,
      settings: options.settings ?? {},
      ...(passwords === undefined
        ? {}
        : {
            secure: {
              keystoreFile: this.file('server.pem'),
              caFile: this.caFile,
              admin: { username: 'admin', password: passwords['admin'] ?? '' },
            },
          }),
    };
    writeFileSync(this.file('server.properties'), serverProperties(shape), { mode: 0o600 });
  }

  private async format(): Promise<void> {
    const { jars, passwords } = this.home;
    if (existsSync(this.file('log/meta.properties'))) return;
    const clusterId = randomBytes(16).toString('base64url');
    const scram = Object.entries(passwords ?? {}).flatMap(([name, password]) =>
      ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
        '--add-scram',
        `${mechanism}=[name=${name},password=${password}]`,
      ]),
    );
    // One word: an id may begin with a dash, which would be taken for an option.
    const command = [
      'kafka.tools.StorageTool',
      'format',
      `--cluster-id=${clusterId}`,
      '-c',
      this.file('server.properties'),
      ...scram,
    ];
    await run('java', [...HEAP, '-cp', join(jars, '*'), ...command], { timeout: FORMAT_LIMIT_MS }).catch((error: unknown) => {
      throw new BrokerUnavailable(
        'BROKER_DID_NOT_START',
        `The log folder of the broker could not be formatted: ${formatError(error)}`,
      );
    });
  }

  private async launch(): Promise<void> {
    const out = openSync(this.file('server.log'), 'a', 0o600);
    const command = [...HEAP, '-cp', join(this.home.jars, '*'), 'kafka.Kafka', this.file('server.properties')];
    const child = spawn('java', command, { cwd: this.home.folder, stdio: ['ignore', out, out] });
    closeSync(out);
    this.child = child;
    child.once('exit', () => {
      if (this.child === child) this.child = undefined;
      process.off('exit', this.atExit);
    });
    process.on('exit', this.atExit);
    writeFileSync(this.file('broker.pid'), String(child.pid));
    const over = new AbortController();
    const ended = new Promise<never>((_resolve, reject) => {
      child.once('exit', (code, signal) => {
        over.abort();
        reject(this.didNotStart(`it ended with ${signal ?? code}`));
      });
    });
    ended.catch(() => undefined);
    const ready = kafkaReady(this.client('understudy-broker-start'), { limitMs: READY_LIMIT_MS, signal: over.signal });
    await Promise.race([ended, ready.catch((error: unknown) => Promise.reject(this.didNotStart(String(error))))]);
  }

  private didNotStart(why: string): BrokerUnavailable {
    return new BrokerUnavailable(
      'BROKER_DID_NOT_START',
      `The broker in ${this.home.folder} did not get ready: ${why}\n${this.tail()}`,
    );
  }

  private tail(): string {
    const file = this.file('server.log');
    return existsSync(file) ? readFileSync(file, 'utf8').slice(-LOG_TAIL_BYTES) : '';
  }

  private async end(signal: 'SIGTERM' | 'SIGKILL', limitMs: number): Promise<void> {
    const { child } = this;
    if (child === undefined) return;
    const ended = new Promise<true>((done) => child.once('exit', () => done(true)));
    // What is frozen hears nothing but SIGKILL.
    if (signal === 'SIGTERM') child.kill('SIGCONT');
    child.kill(signal);
    if (await Promise.race([ended, delay(limitMs, false, { ref: false })])) return;
    child.kill('SIGKILL');
    if (await Promise.race([ended, delay(KILL_LIMIT_MS, false, { ref: false })])) return;
    throw new BrokerUnavailable(
      'BROKER_DID_NOT_STOP',
      `The broker's process ${child.pid} survived SIGKILL for ${KILL_LIMIT_MS} ms.`,
    );
  }
}

/** Ends the broker that a process of ours left behind in this folder when it died. */
async function endLeftover(folder: string): Promise<void> {
  const file = join(folder, 'broker.pid');
  if (!existsSync(file)) return;
  const pid = Number(readFileSync(file, 'utf8'));
  const isOurs = (): boolean =>
    Number.isSafeInteger(pid) && pid > 1 && commandLine(pid).includes(join(folder, 'server.properties'));
  if (isOurs()) process.kill(pid, 'SIGKILL');
  const deadline = Date.now() + KILL_LIMIT_MS;
  while (isOurs()) {
    if (Date.now() > deadline)
      throw new BrokerUnavailable('BROKER_DID_NOT_STOP', `An earlier broker (process ${pid}) survived SIGKILL.`);
    await delay(POLL_MS);
  }
}

function commandLine(pid: number): string {
  try {
    return execFileSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return '';
  }
}

/** What the tool said; never its command line, which holds the passwords. */
function formatError(error: unknown): string {
  const { stderr, code } = error as { readonly stderr?: string; readonly code?: unknown };
  return stderr?.trim().split('\n').at(-1) ?? String(code);
}
