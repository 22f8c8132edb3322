import { BoundedOutput } from '../bounded-output.js';

/** An end mark's rest of a line is an exit code or a word. */
const MOST_END_BYTES = 16;

/** What a framed command (`remote-command.ts`) printed between its marks, kept up to a limit. */
export class FramedOutput {
  /** The begin mark has come: the frame runs on the host. */
  begun = false;
  /** What stands in the end mark; null until it has come. */
  end: string | null = null;
  private readonly output: BoundedOutput;
  private readonly beginMark: Buffer;
  private readonly endMark: Buffer;
  /** Came, and is not kept yet: a mark may begin in it. */
  private held: Buffer = Buffer.alloc(0);

  constructor(mark: string, limitBytes: number) {
    this.beginMark = Buffer.from(`${mark}<\n`);
    this.endMark = Buffer.from(`${mark}>`);
    this.output = new BoundedOutput(limitBytes);
  }

  get truncated(): boolean {
    return this.output.truncated;
  }

  text(): string {
    return this.output.text();
  }

  take(chunk: Buffer): void {
    if (this.end !== null) return;
    this.held = Buffer.concat([this.held, chunk]);
    if (!this.begun) this.lookForBegin();
    if (this.begun) this.lookForEnd();
  }

  /** What a login shell prints before is dropped. */
  private lookForBegin(): void {
    const at = this.held.indexOf(this.beginMark);
    this.begun = at >= 0;
    this.held = this.held.subarray(this.begun ? at + this.beginMark.length : -this.beginMark.length);
  }

  private lookForEnd(): void {
    const at = this.held.indexOf(this.endMark);
    const upTo = at >= 0 ? at : Math.max(0, this.held.length - this.endMark.length);
    this.output.take(this.held.subarray(0, upTo));
    this.held = this.held.subarray(upTo);
    if (at < 0) return;
    const rest = this.held.subarray(this.endMark.length, this.endMark.length + MOST_END_BYTES);
    const newline = rest.indexOf('\n');
    if (newline >= 0) this.end = rest.subarray(0, newline).toString('latin1');
  }
}
