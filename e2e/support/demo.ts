import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from './product.js';

/** One run of the built demo, as a user would start it, with a temporary folder of its own so that what it leaves is seen. */
export interface DemoProcess {
  readonly child: ChildProcess;
  /** Standard output so far. */
  output(): string;
  /** Resolves when the text was said. @throws when the demo ends, or 60 s pass, without it. */
  said(text: string | RegExp): Promise<void>;
  readonly ended: Promise<DemoResult>;
}

export interface DemoResult {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
  /** The last line of standard output. */
  readonly lastLine: string;
}

const SAID_WITHIN_MS = 60_000;

export interface DemoOptions {
  /** Where it is called from; the report lands here unless `--report` is given. */
  readonly cwd: string;
  readonly temporary: string;
  readonly account?: { readonly uid: number; readonly gid: number };
}

export function runDemo(args: readonly string[], options: DemoOptions): DemoProcess {
  const child = spawn(process.execPath, [join(REPOSITORY, 'practice/dist/main.js'), ...args], {
    cwd: options.cwd,
    env: { ...process.env, TMPDIR: options.temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options.account,
  });
  const texts = { output: '', errors: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (texts.output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (texts.errors += text));
  const ended = once(child, 'close').then(() => ({
    ...texts,
    code: child.exitCode,
    lastLine: texts.output.trimEnd().split('\n').at(-1) ?? '',
  }));
  return { child, output: () => texts.output, ended, said: (text) => said(child, () => texts.output, text) };
}

function said(child: ChildProcess, output: () => string, text: string | RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`not said within ${SAID_WITHIN_MS} ms: ${String(text)}\n${output()}`)),
      SAID_WITHIN_MS,
    );
    const look = (): void => {
      if (!(typeof text === 'string' ? output().includes(text) : text.test(output()))) return;
      clearTimeout(timer);
      resolve();
    };
    child.stdout?.on('data', look);
    child.once('close', () => {
      clearTimeout(timer);
      look();
      reject(new Error(`ended without saying ${String(text)}\n${output()}`));
    });
    look();
  });
}

/** Ids of processes whose command line, environment or working directory names the folder. Linux. */
export function processesNaming(folder: string): readonly number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids
    .map(Number)
    .filter(
      (pid) =>
        pid !== process.pid &&
        [`cmdline`, 'environ'].some((file) => attempt(() => readFileSync(`/proc/${pid}/${file}`, 'utf8')).includes(folder)),
    )
    .concat(pids.map(Number).filter((pid) => attempt(() => readlinkSync(`/proc/${pid}/cwd`)).startsWith(folder)));
}

function attempt(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
