import { createConnection, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const SENTINEL_PORT = 26_379;
const CONNECT_LIMIT_MS = 500;
/** Longer than writes wait in a switchover. */
const WRITE_LIMIT_MS = 5_000;
const BETWEEN_WRITES_MS = 5;
/** How long it looks for somebody who takes writes. */
const SEARCH_LIMIT_MS = 60_000;
const LOOKUP_AT_ONCE = 500;

export interface RedisPlaces {
  /** Of the hosts that the Sentinels run on. */
  readonly addresses: readonly string[];
  /** The Sentinels' name of the master. */
  readonly master: string;
  readonly password: string;
  readonly sentinelPassword: string;
}

export interface RedisClientTold {
  readonly acknowledged: number;
  /** Of those, how many the cluster has not got at the end. */
  readonly lost: number;
  readonly failed: number;
}

/**
 * A client of the workload: asks a Sentinel who the master is, writes one number after the other there, asks again whenever a
 * write fails, and looks each one up at the end.
 */
export class RedisClient {
  private readonly acknowledged: number[] = [];
  private longestGapMs = 0;
  private failed = 0;
  private isEnding = false;
  private readonly loop: Promise<void>;

  /** @param key of a set of its own. */
  constructor(
    private readonly places: RedisPlaces,
    private readonly key: string,
  ) {
    this.loop = this.run();
    // It is told by `end`.
    this.loop.catch(() => undefined);
  }

  /** The longest time between two acknowledged writes since this was asked last, in milliseconds. */
  gapMs(): number {
    const gapMs = this.longestGapMs;
    this.longestGapMs = 0;
    return gapMs;
  }

  /** @throws when nobody takes writes any more. */
  async end(): Promise<RedisClientTold> {
    this.isEnding = true;
    await this.loop;
    const line = await this.connect();
    let lost = 0;
    for (let from = 0; from < this.acknowledged.length; from += LOOKUP_AT_ONCE) {
      const asked = this.acknowledged.slice(from, from + LOOKUP_AT_ONCE);
      const answer = await line.ask(`SMISMEMBER ${this.key} ${asked.join(' ')}`, asked.length + 1);
      lost += asked.length - answer.filter((each) => each === ':1').length;
    }
    line.close();
    return { acknowledged: this.acknowledged.length, lost, failed: this.failed };
  }

  private async run(): Promise<void> {
    let line = await this.connect();
    let last = performance.now();
    for (let n = 1; !this.isEnding; n += 1) {
      try {
        const [answer] = await line.ask(`SADD ${this.key} ${n}`, 1);
        if (answer !== ':1') throw new Error(`It answered ${answer}.`);
        this.acknowledged.push(n);
        this.longestGapMs = Math.max(this.longestGapMs, performance.now() - last);
        last = performance.now();
      } catch {
        this.failed += 1;
        line.close();
        line = await this.connect();
      }
      await delay(BETWEEN_WRITES_MS);
    }
    line.close();
  }

  /** To the master by a Sentinel's word; whether it takes writes, a write tells. @throws when it is over and there was none. */
  private async connect(): Promise<Line> {
    const endsAt = performance.now() + SEARCH_LIMIT_MS;
    for (let tries = 0; performance.now() < endsAt; tries += 1) {
      const asked = this.places.addresses[tries % this.places.addresses.length] as string;
      const master = await this.masterBy(asked);
      const line = master === undefined ? undefined : await this.logIn(master.address, master.port);
      if (line !== undefined) return line;
      await delay(BETWEEN_WRITES_MS);
    }
    throw new Error(`Nobody was the master for ${SEARCH_LIMIT_MS} ms.`);
  }

  private async masterBy(sentinel: string): Promise<{ readonly address: string; readonly port: number } | undefined> {
    try {
      const line = await Line.open(sentinel, SENTINEL_PORT);
      await line.ask(`AUTH ${this.places.sentinelPassword}`, 1, CONNECT_LIMIT_MS);
      const [, , address, , port] = await line.ask(`SENTINEL get-master-addr-by-name ${this.places.master}`, 5, CONNECT_LIMIT_MS);
      line.close();
      return { address: address ?? '', port: Number(port) };
    } catch {
      return undefined;
    }
  }

  private async logIn(address: string, port: number): Promise<Line | undefined> {
    try {
      const line = await Line.open(address, port);
      const [answer] = await line.ask(`AUTH ${this.places.password}`, 1, CONNECT_LIMIT_MS);
      if (answer === '+OK') return line;
      line.close();
    } catch {
      // not this one
    }
    return undefined;
  }
}

/** A connection on which one question is asked at a time, by a line, and answered by lines. */
class Line {
  private received = '';
  private heard: () => void = () => undefined;
  private isOver = false;

  private constructor(private readonly socket: Socket) {
    socket.setNoDelay(true);
    socket.on('data', (part) => this.hear(part.toString('utf8')));
    socket.on('error', () => this.over());
    socket.on('close', () => this.over());
  }

  /** @throws when it is not open in time. */
  static async open(host: string, port: number): Promise<Line> {
    const line = new Line(createConnection({ host, port }));
    await line.until(() => line.socket.readyState === 'open', CONNECT_LIMIT_MS);
    return line;
  }

  /** @throws when not so many lines came in time, or an error did. */
  async ask(text: string, lines: number, limitMs = WRITE_LIMIT_MS): Promise<readonly string[]> {
    this.received = '';
    this.socket.write(`${text}\r\n`);
    await this.until(() => this.received.startsWith('-') || this.received.split('\r\n').length > lines, limitMs);
    if (this.received.startsWith('-')) throw new Error(this.received.trim());
    return this.received.split('\r\n').slice(0, lines);
  }

  close(): void {
    this.socket.destroy();
  }

  private hear(text: string): void {
    this.received += text;
    this.heard();
  }

  private over(): void {
    this.isOver = true;
    this.heard();
  }

  private until(isSo: () => boolean, limitMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (error?: Error): void => {
        clearTimeout(late);
        this.socket.off('connect', look);
        this.heard = () => undefined;
        if (error === undefined) resolve();
        else reject(error);
      };
      const look = (): void => {
        if (isSo()) end();
        else if (this.isOver) end(new Error('The connection was closed.'));
      };
      const late = setTimeout(() => end(new Error(`No answer within ${limitMs} ms.`)), limitMs);
      this.heard = look;
      this.socket.once('connect', look);
      look();
    });
  }
}
