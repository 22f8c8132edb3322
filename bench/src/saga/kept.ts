/** Values by name in a file that outlives a killed process: each is one line, written with one call, and the newest counts. */
import { closeSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const BETWEEN = '\t';

export class Kept<T> {
  private constructor(
    private readonly file: number,
    /** As it was when the file was opened. */
    private readonly before: ReadonlyMap<string, string>,
  ) {}

  /** Goes on with the folder's file, or begins it. A line that a kill cut off was never answered for: it is dropped. */
  static open<T>(folder: string): Kept<T> {
    const path = fileIn(folder);
    closeSync(openSync(path, 'a'));
    const text = readFileSync(path, 'utf8');
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    if (whole.length < text.length) truncateSync(path, Buffer.byteLength(whole));
    return new Kept(openSync(path, 'a'), linesOf(whole));
  }

  /** The newest of every name in a folder. */
  static all<T>(folder: string): readonly T[] {
    return [...linesOf(readFileSync(fileIn(folder), 'utf8')).values()].map((text) => JSON.parse(text) as T);
  }

  /** What the file held when it was opened. */
  newest(name: string): T | undefined {
    const text = this.before.get(name);
    return text === undefined ? undefined : (JSON.parse(text) as T);
  }

  keep(name: string, value: T): void {
    writeSync(this.file, `${name}${BETWEEN}${JSON.stringify(value)}\n`);
  }
}

const fileIn = (folder: string): string => join(folder, 'kept.tsv');

function linesOf(text: string): ReadonlyMap<string, string> {
  const lines = text.split('\n').slice(0, -1);
  return new Map(
    lines.map((line): [string, string] => [line.slice(0, line.indexOf(BETWEEN)), line.slice(line.indexOf(BETWEEN) + 1)]),
  );
}
