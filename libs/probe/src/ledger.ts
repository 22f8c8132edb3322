/**
 * The probe's ledger: what the job on the probe host writes, one line per fact, append-only. Times `m` are milliseconds
 * since the probe began by a monotonic clock, `wall` milliseconds since the epoch by the host's clock, which may jump.
 */
export type LedgerLine =
  | {
      readonly line: 'start';
      readonly wall: number;
      readonly probeId: string;
      readonly kind: string;
      readonly intervalMs: number;
    }
  /** An operation that began at `m - tookMs` and ended at `m`. For writes, `ok` is the server's acknowledgement. */
  | { readonly line: 'ok'; readonly m: number; readonly wall: number; readonly tookMs: number; readonly seq: number }
  | {
      readonly line: 'fail';
      readonly m: number;
      readonly wall: number;
      readonly tookMs: number;
      readonly seq: number;
      readonly code: string;
    }
  /** Nothing ended for a while, and the probe is there. */
  | { readonly line: 'alive'; readonly m: number; readonly wall: number }
  | { readonly line: 'stop'; readonly m: number; readonly wall: number; readonly why: string }
  /** Every acknowledged write was looked for: `lost` were not found; null = could not be looked up, for this reason. */
  | { readonly line: 'lookup'; readonly acknowledged: number; readonly lost: number | null; readonly reason: string };

/** Pure. One line of text, without its end. Text of the last field may hold blanks. */
export function writeLine(entry: LedgerLine): string {
  switch (entry.line) {
    case 'start':
      return `start ${entry.wall} ${entry.probeId} ${entry.kind} ${entry.intervalMs}`;
    case 'ok':
      return `ok ${tenths(entry.m)} ${entry.wall} ${tenths(entry.tookMs)} ${entry.seq}`;
    case 'fail':
      return `fail ${tenths(entry.m)} ${entry.wall} ${tenths(entry.tookMs)} ${entry.seq} ${entry.code}`;
    case 'alive':
      return `alive ${tenths(entry.m)} ${entry.wall}`;
    case 'stop':
      return `stop ${tenths(entry.m)} ${entry.wall} ${entry.why}`;
    case 'lookup':
      return `lookup ${entry.acknowledged} ${entry.lost ?? '-'} ${entry.reason}`;
  }
}

/** Pure. Lines that are none (torn by a crash, a runtime's warning) are passed over. */
export function readLedger(text: string): readonly LedgerLine[] {
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  return whole.split('\n').flatMap((line) => {
    const entry = readLine(line);
    return entry === null ? [] : [entry];
  });
}

function readLine(line: string): LedgerLine | null {
  const words = line.split(' ');
  switch (words[0]) {
    case 'start':
      return readStart(words);
    case 'ok':
    case 'fail':
      return readOperation(words[0], words);
    case 'alive': {
      const [m, wall] = numbers(words, 1, 2);
      return m === undefined || wall === undefined ? null : { line: 'alive', m, wall };
    }
    case 'stop': {
      const [m, wall] = numbers(words, 1, 2);
      return m === undefined || wall === undefined ? null : { line: 'stop', m, wall, why: words.slice(3).join(' ') };
    }
    case 'lookup':
      return readLookup(words);
    default:
      return null;
  }
}

function readStart(words: readonly string[]): LedgerLine | null {
  const [wall] = numbers(words, 1, 1);
  const [intervalMs] = numbers(words, 4, 1);
  const [probeId, kind] = [words[2], words[3]];
  if (wall === undefined || intervalMs === undefined || probeId === undefined || kind === undefined) return null;
  return { line: 'start', wall, probeId, kind, intervalMs };
}

function readOperation(line: 'ok' | 'fail', words: readonly string[]): LedgerLine | null {
  const [m, wall, tookMs, seq] = numbers(words, 1, 4);
  if (m === undefined || wall === undefined || tookMs === undefined || seq === undefined) return null;
  return line === 'ok' ? { line, m, wall, tookMs, seq } : { line, m, wall, tookMs, seq, code: words[5] ?? 'unknown' };
}

function readLookup(words: readonly string[]): LedgerLine | null {
  const [acknowledged] = numbers(words, 1, 1);
  const lost = words[2] === '-' ? null : numbers(words, 2, 1)[0];
  if (acknowledged === undefined || lost === undefined) return null;
  return { line: 'lookup', acknowledged, lost, reason: words.slice(3).join(' ') };
}

/** The numbers at `from`, or none at all when one of them is none. */
function numbers(words: readonly string[], from: number, count: number): readonly number[] {
  const found = words.slice(from, from + count).map((word) => (/^\d+(\.\d+)?$/.test(word) ? Number(word) : Number.NaN));
  return found.length === count && found.every((value) => !Number.isNaN(value)) ? found : [];
}

function tenths(ms: number): string {
  return String(Math.round(ms * 10) / 10);
}
