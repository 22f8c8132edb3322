import { seconds, type Line } from './narrate.js';

/** Where the view writes: a terminal or not. */
export interface Screen {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

const REFRESH_MS = 100;
const COLOURS: Readonly<Record<Line['tone'], string>> = { good: '32', bad: '31', notice: '33', plain: '0' };
const MARKS: Readonly<Record<Line['tone'], string>> = { good: '+', bad: '!', notice: '~', plain: ' ' };

/**
 * Lines that stay, and on a terminal one line below them that moves: what goes on, who serves, what the client sees.
 * Not a terminal: plain lines only.
 */
export class LiveView {
  private readonly startedAt = performance.now();
  private readonly live: boolean;
  private readonly coloured: boolean;
  private timer: NodeJS.Timeout | undefined;
  private lastPhase = '';

  constructor(
    private readonly screen: Screen,
    private readonly status: () => string,
  ) {
    this.live = screen.isTTY === true;
    this.coloured = this.live && process.env['NO_COLOR'] === undefined;
  }

  start(): void {
    if (!this.live) return;
    this.timer = setInterval(() => this.draw(), REFRESH_MS);
    this.timer.unref();
  }

  /** Stops the moving line. Idempotent. */
  stop(): void {
    if (this.timer === undefined) return;
    clearInterval(this.timer);
    this.timer = undefined;
    this.screen.write('\r\x1b[2K');
  }

  elapsedMs(): number {
    return performance.now() - this.startedAt;
  }

  event(line: Line): void {
    const phase = line.phase === this.lastPhase ? '' : line.phase;
    this.lastPhase = line.phase;
    const time = seconds(this.elapsedMs()).padStart(7);
    this.print(
      `${this.paint('2', time)}  ${phase.padEnd(18)} ${this.paint(COLOURS[line.tone], `${MARKS[line.tone]} ${line.text}`)}`,
    );
  }

  note(text: string): void {
    this.print(text === '' ? '' : `${this.paint('2', seconds(this.elapsedMs()).padStart(7))}  ${text}`);
  }

  /** Without a time. */
  print(text: string): void {
    this.screen.write(`${this.live ? '\r\x1b[2K' : ''}${text}\n`);
    if (this.timer !== undefined) this.draw();
  }

  private draw(): void {
    const text = `${seconds(this.elapsedMs()).padStart(7)}  ${this.status()}`;
    this.screen.write(`\r\x1b[2K${this.paint('2', text.slice(0, (this.screen.columns ?? 80) - 1))}`);
  }

  private paint(code: string, text: string): string {
    return this.coloured && code !== '0' ? `\x1b[${code}m${text}\x1b[0m` : text;
  }
}
