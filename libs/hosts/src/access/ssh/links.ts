/**
 * SSH connections, shared by all that reach the same place in the same way: commands of one host, and hosts behind one jump host. A
 * connection is made when it is first needed, kept alive, and ended when nobody has needed it for a while.
 */
import { DEFAULT_SSH_PORT, type SshPlace } from '@understudy/cluster';
import ssh2, { type Client, type ClientChannel, type ConnectConfig } from 'ssh2';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
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

/** Give it back when the command has ended. */
export interface Lease {
  readonly client: Client;
  isLost(): boolean;
  giveBack(): void;
}

/** One connection, from before its handshake until it is over. */
class Link {
  readonly client = new ssh2.Client();
  private isOver = false;
  private users = 0;
  private idle: NodeJS.Timeout | undefined;

  /** @param over called once, when nothing can go through it any more. */
  constructor(
    private readonly stream: Duplex,
    private readonly over: () => void,
  ) {
    this.client
      .on('error', () => this.end())
      .on('end', () => this.end())
      .on('close', () => this.end());
    // Where ssh2 has not yet, or no longer, a hand on it.
    stream.on('error', () => this.end());
  }

  get isUsable(): boolean {
    return !this.isOver && this.stream.writable;
  }

  /** @throws what ssh2 says of a handshake that failed. */
  handshake(config: ConnectConfig): Promise<void> {
    return new Promise((resolve, reject) => {
      this.client.once('ready', resolve);
      this.client.once('error', reject);
      this.client.once('close', () => reject(new Error('the host closed the connection')));
      this.client.connect({ ...config, sock: this.stream });
    });
  }

  lease(): Lease {
    clearTimeout(this.idle);
    this.users += 1;
    let isOurs = true;
    return {
      client: this.client,
      isLost: () => this.isOver,
      giveBack: () => {
        if (isOurs) this.users -= 1;
        isOurs = false;
        this.rest();
      },
    };
  }

  /** Ends by itself when nobody uses it for a while. */
  rest(): void {
    clearTimeout(this.idle);
    if (this.users === 0 && !this.isOver) this.idle = setTimeout(() => this.end(), IDLE_MS).unref();
  }

  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    clearTimeout(this.idle);
    this.client.end();
    this.stream.destroy();
    this.over();
  }
}

export class SshLinks {
  /** By the way there; one that is being made, too. */
  private readonly open = new Map<string, Promise<Link>>();
  private readonly links = new Set<Link>();
  private readonly slots = new Slots(MOST_LINKS);
  private closed = false;

  constructor(private readonly tools: SshTools) {}

  /** A connection to the last place, through the others in order. @throws Error that says why there is none. */
  async take(way: readonly SshPlace[], withinMs: number): Promise<Lease> {
    const endsAt = performance.now() + withinMs;
    const key = JSON.stringify(way);
    const asked = (): Promise<Link> =>
      inTime(this.open.get(key) ?? this.connect(key, way), endsAt, () => `no connection to ${nameOf(last(way))} in time`);
    const known = await asked();
    if (known.isUsable) return known.lease();
    // It was lost, and nobody has been told yet.
    known.end();
    return (await asked()).lease();
  }

  /** Ends every connection, for good. Whatever runs over one is unknown. */
  close(): void {
    this.closed = true;
    for (const link of this.links) link.end();
  }

  /** Whoever asks meanwhile waits for the same connection. A failure is not remembered. */
  private connect(key: string, way: readonly SshPlace[]): Promise<Link> {
    const link: Promise<Link> = this.connected(way, () => {
      if (this.open.get(key) === link) this.open.delete(key);
    });
    this.open.set(key, link);
    return link;
  }

  private async connected(way: readonly SshPlace[], forget: () => void): Promise<Link> {
    const place = last(way);
    const endsAt = performance.now() + CONNECT_LIMIT_MS;
    const undo: (() => void)[] = [forget];
    const over = (): void => undo.splice(0).forEach((step) => step());
    try {
      if (!(await this.slots.take(CONNECT_LIMIT_MS)))
        throw new Error(`${MOST_LINKS} connections are open; none was free in time for ${nameOf(place)}`);
      undo.push(() => this.slots.giveBack());
      const stream = way.length > 1 ? await this.through(way, endsAt, undo) : socketTo(place);
      const link = new Link(stream, over);
      this.links.add(link);
      undo.push(() => this.links.delete(link));
      await this.handshake(link, place, endsAt).catch((error: unknown) => {
        link.end();
        throw error;
      });
      link.rest();
      return link;
    } catch (error) {
      over();
      throw error;
    }
  }

  /** A channel to the last place through the one before it. */
  private async through(way: readonly SshPlace[], endsAt: number, undo: (() => void)[]): Promise<ClientChannel> {
    const { address, port = DEFAULT_SSH_PORT } = last(way);
    const before = way.slice(0, -1);
    const lease = await this.take(before, endsAt - performance.now());
    undo.push(() => lease.giveBack());
    const asked = new Promise<ClientChannel>((resolve, reject) =>
      lease.client.forwardOut('127.0.0.1', 0, address, port, (error, channel) => (error ? reject(error) : resolve(channel))),
    );
    return inTime(asked, endsAt, () => `the jump host ${nameOf(last(before))} did not reach ${address} in time`);
  }

  private async handshake(link: Link, place: SshPlace, endsAt: number): Promise<void> {
    if (this.closed) throw new Error('the connections of this process were closed');
    let untrusted: string | undefined;
    try {
      const config = this.config(place, (reason) => (untrusted = reason));
      await inTime(link.handshake(config), endsAt, () => `no answer within ${CONNECT_LIMIT_MS} ms`);
    } catch (error) {
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
      username: user,
      // Bounded by whoever makes the connection.
      readyTimeout: 0,
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

function socketTo({ address, port = DEFAULT_SSH_PORT }: SshPlace): Duplex {
  return connect({ host: address, port, noDelay: true });
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
