import type { Readable } from 'node:stream';

/** Keeps at most `limitBytes` of what a command prints. */
export class BoundedOutput {
  truncated = false;
  /** All that came, kept or not. */
  seenBytes = 0;
  private readonly chunks: Buffer[] = [];
  private bytes = 0;

  constructor(private readonly limitBytes: number) {}

  /** Of a stream, which is read to its end, so that the writer is never held up. */
  static of(stream: Readable, limitBytes: number): BoundedOutput {
    const output = new BoundedOutput(limitBytes);
    stream.on('data', (chunk: Buffer) => output.take(chunk));
    stream.on('error', () => undefined);
    return output;
  }

  text(): string {
    return Buffer.concat(this.chunks).toString('utf8');
  }

  take(chunk: Buffer): void {
    this.seenBytes += chunk.length;
    const room = this.limitBytes - this.bytes;
    if (chunk.length > room) this.truncated = true;
    if (room <= 0) return;
    const kept = chunk.subarray(0, room);
    this.chunks.push(kept);
    this.bytes += kept.length;
  }
}
