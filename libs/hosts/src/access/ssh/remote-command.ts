/**
 * A command for the other end of an SSH channel. The login shell there may print what it likes, a daemon that the command leaves behind
 * may hold its output open, and sshd may send the exit code before the output: so the command is framed. Each of its outputs begins
 * and ends with a mark that nobody else can print, and the exit code stands in the last one. Pure, but for the marks.
 */
import { randomBytes } from 'node:crypto';

/** The kernel takes no argument of 128 KiB, and the login shell gets the whole line as one. */
const MOST_LINE_BYTES = 120 * 1024;
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * $1$2: the mark, in two parts, so that a list of processes does not hold it. $3: seconds, after which the command's whole process
 * group is killed, though the link be lost. $4: the root folder. Then the command.
 */
const FRAME = `
m=$1$2 t=$3 r=$4
shift 4
printf '%s<\\n' "$m"
printf '%s<\\n' "$m" >&2
if cd -- "$r"; then
  env -i PATH=${PATH} HOME="$PWD" LC_ALL=C LANG=C timeout -s KILL "$t" "$@"
  c=$?
else
  c=root
fi
printf '%s>%s\\n' "$m" "$c"
printf '%s>\\n' "$m" >&2
`;

export interface RemoteCommand {
  /** For the login shell (any POSIX shell). */
  readonly line: string;
  readonly mark: string;
}

/** @returns null when it is longer than a host would take. */
export function remoteCommand(argv: readonly string[], root: string, limitMs: number): RemoteCommand | null {
  const [first, second] = [randomBytes(16).toString('hex'), randomBytes(16).toString('hex')];
  const seconds = (Math.max(1, limitMs) / 1_000).toFixed(3);
  const words = ['sh', '-c', FRAME, 'understudy', first, second, seconds, root, ...argv];
  const line = `exec ${words.map(quoted).join(' ')}`;
  return Buffer.byteLength(line) > MOST_LINE_BYTES ? null : { line, mark: first + second };
}

/** One word to any POSIX shell, whatever it holds. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
