import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { DEFAULT_DATA_FOLDER } from '../settings.js';

/** The arguments of both commands: one file, and the data folder. */
export interface BackupArgs {
  readonly file: string;
  readonly data: string;
}

/** Answers undefined when help was asked for. @throws in words when used wrongly. */
export function parseBackupArgs(argv: readonly string[]): BackupArgs | undefined {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { data: { type: 'string' }, help: { type: 'boolean', default: false } },
  });
  if (values.help) return undefined;
  const [file, ...others] = positionals;
  if (file === undefined || others.length > 0) throw new Error('Name exactly one backup file.');
  return { file: resolve(file), data: resolve(values.data ?? process.env['DATA_FOLDER'] ?? DEFAULT_DATA_FOLDER) };
}

/** Runs one of the commands with its output on the console; answers the exit code. */
export async function runCommand(help: string, work: (args: BackupArgs) => Promise<string>): Promise<number> {
  let args: BackupArgs | undefined;
  try {
    args = parseBackupArgs(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
    return 2;
  }
  if (args === undefined) {
    process.stdout.write(help);
    return 0;
  }
  try {
    process.stdout.write(`${await work(args)}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}
