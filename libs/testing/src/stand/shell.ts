import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MOST_OUTPUT_BYTES = 64 * 1024 * 1024;

export interface ShellOptions {
  readonly limitMs?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Runs a program of this machine and answers what it printed. @throws with its last words when it fails. */
export async function shell(
  argv: readonly [string, ...string[]],
  { limitMs = 60_000, env, cwd }: ShellOptions = {},
): Promise<string> {
  const [program, ...args] = argv;
  try {
    const { stdout } = await run(program, args, {
      timeout: limitMs,
      killSignal: 'SIGKILL',
      maxBuffer: MOST_OUTPUT_BYTES,
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...process.env, LC_ALL: 'C.UTF-8', DEBIAN_FRONTEND: 'noninteractive', ...env },
    });
    return stdout;
  } catch (error) {
    const { stderr = '', stdout = '', code } = error as { stderr?: string; stdout?: string; code?: number | string };
    const words = `${stdout}\n${stderr}`.trim().split('\n').slice(-15).join('\n');
    throw new Error(`${argv.join(' ')} ended with ${String(code ?? 'its limit')}:\n${words}`, { cause: error });
  }
}
