import type { ClaimEvent, RolloutEvent } from '@understudy/orchestrator-domain';

/** The log in memory, by the rules of the real one: positions without a gap, all or nothing, at the expected version. */

export type AnyEvent = RolloutEvent | ClaimEvent;

export interface Stored {
  readonly position: number;
  readonly stream: string;
  readonly version: number;
  readonly event: AnyEvent;
  readonly commandId: string;
  /** By the store's clock, milliseconds since the epoch. */
  readonly atMs: number;
}

export interface Append {
  readonly stream: string;
  readonly expectedVersion: number;
  readonly events: readonly AnyEvent[];
}

export class MemoryLog {
  readonly events: Stored[] = [];
  private readonly streams = new Map<string, Stored[]>();

  /** @returns what was stored, or undefined when a stream was further than expected. */
  append(appends: readonly Append[], commandId: string, atMs: number): readonly Stored[] | undefined {
    if (appends.some(({ stream, expectedVersion }) => this.stream(stream).length !== expectedVersion)) return undefined;
    const before = this.events.length;
    for (const { stream, events } of appends) for (const event of events) this.store(stream, event, commandId, atMs);
    return this.events.slice(before);
  }

  versionOf(stream: string): number {
    return this.stream(stream).length;
  }

  read(stream: string, fromVersion = 1): readonly Stored[] {
    return this.stream(stream).slice(fromVersion - 1);
  }

  private stream(name: string): Stored[] {
    const known = this.streams.get(name);
    if (known !== undefined) return known;
    const made: Stored[] = [];
    this.streams.set(name, made);
    return made;
  }

  private store(name: string, event: AnyEvent, commandId: string, atMs: number): void {
    const stream = this.stream(name);
    const stored = { position: this.events.length + 1, stream: name, version: stream.length + 1, event, commandId, atMs };
    stream.push(stored);
    this.events.push(stored);
  }
}

/** 53 bits over a text: cyrb53 (public domain, bryc). Told apart are histories, nothing is kept secret by it. */
export function hashOf(text: string, seed = 0): string {
  let left = 0xdead_beef ^ seed;
  let right = 0x41c6_ce57 ^ seed;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    left = Math.imul(left ^ code, 2_654_435_761);
    right = Math.imul(right ^ code, 1_597_334_677);
  }
  left = Math.imul(left ^ (left >>> 16), 2_246_822_507) ^ Math.imul(right ^ (right >>> 13), 3_266_489_909);
  right = Math.imul(right ^ (right >>> 16), 2_246_822_507) ^ Math.imul(left ^ (left >>> 13), 3_266_489_909);
  return (4_294_967_296 * (2_097_151 & right) + (left >>> 0)).toString(16).padStart(14, '0');
}
