import type { Readable } from 'node:stream';

/** Keeps at most `limitBytes` of a stream and goes on reading the rest, so that the writer is never held up. */
export class BoundedOutput {
  truncated = false;
  /** All that came, kept or not. */
  seenBytes = 0;
  private readonly chunks: Buffer[] = [];
  private bytes = 0;

  constructor(
    stream: Readable,
    private readonly limitBytes: number,
  ) {
    stream.on('data', (chunk: Buffer) => this.take(chunk));
    stream.on('error', () => undefined);
  }

  text(): string {
    return Buffer.concat(this.chunks).toString('utf8');
  }

  private take(chunk: Buffer): void {
    this.seenBytes += chunk.length;
    const room = this.limitBytes - this.bytes;
    if (chunk.length > room) this.truncated = true;
    if (room <= 0) return;
    const kept = chunk.subarray(0, room);
    this.chunks.push(kept);
    this.bytes += kept.length;
  }
}
