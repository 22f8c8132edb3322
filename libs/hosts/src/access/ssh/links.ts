/**
 * SSH connections, shared by all that reach the same place in the same way: commands of one host, and hosts behind one jump host. A
 * connection is made when it is first needed, kept alive, and ended when nobody has needed it for a while.
 */
import { DEFAULT_SSH_PORT, type SshPlace } from '@understudy/cluster';
import ssh2, { type Client, type ClientChannel, type ConnectConfig } from 'ssh2';
import { Slots } from '../slots.js';
import { judgeKey, keyTypesOf, knownKeys } from './known-hosts.js';

export interface SshTools {
  /** The private key (its text) that proves to that address who we are. Throws what explains itself. */
  readonly privateKey: (credential: string, address: string) => string;
  /** The text of the known hosts file; empty where there is none. Read for each connection. */
  readonly knownHosts: () => string;
}

/** Connections at once, jump hosts included; who wants one more waits, up to the command's deadline. */
const MOST_LINKS = 512;
const CONNECT_LIMIT_MS = 15_000;
/** A host that says nothing for about twenty seconds is out of reach: what runs there is unknown. */
const KEEPALIVE_MS = 5_000;
const KEEPALIVES_MISSED = 3;
/** An unused connection ends after so long. */
const IDLE_MS = 60_000;

interface Link {
  readonly client: Client;
  /** Commands and connections that go through it. */
  users: number;
  idle: NodeJS.Timeout | undefined;
}

/** Give it back when the command has ended. */
export interface Lease {
  readonly client: Client;
  giveBack(): void;
}

export class SshLinks {
  private readonly open = new Map<string, Promise<Link>>();
  private readonly slots = new Slots(MOST_LINKS);

  constructor(private readonly tools: SshTools) {}

  /** A connection to the last place, through the others in order. @throws Error that says why there is none. */
  async take(way: readonly SshPlace[], withinMs: number): Promise<Lease> {
    const endsAt = performance.now() + withinMs;
    const key = JSON.stringify(way);
    const known = this.open.get(key) ?? this.connect(key, way, endsAt);
    const link = await inTime(known, endsAt, () => `no connection to ${nameOf(last(way))} in time`);
    clearTimeout(link.idle);
    link.users += 1;
    let isOurs = true;
    return {
      client: link.client,
      giveBack: () => {
        if (!isOurs) return;
        isOurs = false;
        link.users -= 1;
        if (link.users === 0) this.rest(link);
      },
    };
  }

  /** Ends every connection. Whatever runs over one is unknown. */
  async close(): Promise<void> {
    const links = await Promise.allSettled(this.open.values());
    for (const link of links) if (link.status === 'fulfilled') link.value.client.destroy();
  }

  private rest(link: Link): void {
    link.idle = setTimeout(() => link.client.end(), IDLE_MS);
    link.idle.unref();
  }

  /** Whoever asks meanwhile waits for the same connection. A failure is not remembered. */
  private connect(key: string, way: readonly SshPlace[], endsAt: number): Promise<Link> {
    const link = this.connected(way, endsAt, () => this.forget(key, link));
    link.catch(() => this.forget(key, link));
    this.open.set(key, link);
    return link;
  }

  private forget(key: string, link: Promise<Link>): void {
    if (this.open.get(key) === link) this.open.delete(key);
  }

  private async connected(way: readonly SshPlace[], endsAt: number, gone: () => void): Promise<Link> {
    const place = last(way);
    if (!(await this.slots.take(endsAt - performance.now())))
      throw new Error(`${MOST_LINKS} connections are open; none was free in time for ${nameOf(place)}`);
    const jump = way.length > 1 ? await this.through(way, endsAt).catch((error: unknown) => this.freed(error)) : undefined;
    const client = new ssh2.Client();
    client.once('close', () => {
      jump?.lease.giveBack();
      this.slots.giveBack();
      gone();
    });
    await this.handshake(client, place, jump?.channel, Math.min(CONNECT_LIMIT_MS, endsAt - performance.now()));
    return { client, users: 0, idle: undefined };
  }

  private freed(error: unknown): never {
    this.slots.giveBack();
    throw error;
  }

  /** A channel to the last place through the one before it. */
  private async through(
    way: readonly SshPlace[],
    endsAt: number,
  ): Promise<{ readonly lease: Lease; readonly channel: ClientChannel }> {
    const { address, port = DEFAULT_SSH_PORT } = last(way);
    const before = way.slice(0, -1);
    const lease = await this.take(before, endsAt - performance.now());
    try {
      const asked = new Promise<ClientChannel>((resolve, reject) =>
        lease.client.forwardOut('127.0.0.1', 0, address, port, (error, channel) => (error ? reject(error) : resolve(channel))),
      );
      const why = (): string => `the jump host ${nameOf(last(before))} did not reach ${address} in time`;
      return { lease, channel: await inTime(asked, endsAt, why) };
    } catch (error) {
      lease.giveBack();
      throw error;
    }
  }

  private async handshake(client: Client, place: SshPlace, sock: ClientChannel | undefined, limitMs: number): Promise<void> {
    let untrusted: string | undefined;
    try {
      const config = this.config(place, (reason) => (untrusted = reason));
      await new Promise<void>((resolve, reject) => {
        client.once('ready', resolve);
        client.on('error', reject);
        client.connect({ ...config, ...(sock === undefined ? {} : { sock }), readyTimeout: Math.max(1, limitMs) });
      });
    } catch (error) {
      client.destroy();
      throw new Error(
        untrusted ?? `no connection to ${nameOf(place)}: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }

  private config(place: SshPlace, untrusted: (reason: string) => void): ConnectConfig {
    const { address, port = DEFAULT_SSH_PORT, user, credential, hostKeys = [] } = place;
    const known = knownKeys(this.tools.knownHosts(), address, port);
    const types = hostKeys.length > 0 ? [] : keyTypesOf(known);
    return {
      host: address,
      port,
      username: user,
      privateKey: this.tools.privateKey(credential, address),
      ...(types.length === 0 ? {} : { algorithms: { serverHostKey: types as never } }),
      hostVerifier: (offered: Buffer) => {
        const verdict = judgeKey(offered, { where: nameOf(place), known, pinned: hostKeys });
        if (!verdict.trusted) untrusted(verdict.reason);
        return verdict.trusted;
      },
      keepaliveInterval: KEEPALIVE_MS,
      keepaliveCountMax: KEEPALIVES_MISSED,
    };
  }
}

function last(way: readonly SshPlace[]): SshPlace {
  const place = way.at(-1);
  if (place === undefined) throw new Error('A way to a host ends at a place.');
  return place;
}

function nameOf({ address, port = DEFAULT_SSH_PORT }: SshPlace): string {
  return port === DEFAULT_SSH_PORT ? address : `${address}:${port}`;
}

async function inTime<T>(work: Promise<T>, endsAt: number, why: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(why())), Math.max(1, endsAt - performance.now()));
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
