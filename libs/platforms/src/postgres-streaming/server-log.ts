import type { Host } from '@understudy/hosts';
import { nodeCommand } from './disk.js';
import type { NodeSettings } from './settings.js';

const LINES_LIMIT = 3;
const CHARACTERS_LIMIT = 600;
const OUTPUT_BYTES = 8 * 1024;

/** The last words of a node's server, for a person; empty when its log cannot be read. Never throws. */
export async function readLastWords(settings: NodeSettings, host: Host, deadlineMs: number): Promise<string> {
  const argv = nodeCommand(settings, host, 'server-log');
  const read = await host.access.run({ argv, deadlineMs, maxOutputBytes: OUTPUT_BYTES });
  return read.status === 'exited' && read.code === 0 ? lastWords(read.stdout) : '';
}

/**
 * Pure: what a server's log says about its end, without secrets: its last fatal error with what explains it, else its last
 * lines. Lines with a client's statement are left out whole: what stands in them cannot be told.
 */
export function lastWords(log: string): string {
  const lines = log
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/\b(STATEMENT|QUERY|CONTEXT):/.test(line) && !REFUSED_CLIENT.test(line));
  const fatal = lines.findLastIndex((line) => /\b(PANIC|FATAL):/.test(line));
  const told =
    fatal >= 0
      ? lines.slice(fatal).slice(0, LINES_LIMIT)
      : lines.filter((line) => !/\b(DETAIL|HINT):/.test(line)).slice(-LINES_LIMIT);
  return withoutSecrets(told.join(' | ')).slice(0, CHARACTERS_LIMIT);
}

/** Errors of sessions (our own looks among them), not of the server. */
const REFUSED_CLIENT = /the database system is (starting up|shutting down|not (yet )?accepting)|authentication failed/;

/** `key=value` and `key: value` of what may be secret, and the login in a URL; the rest stays as the server wrote it. */
function withoutSecrets(text: string): string {
  return text
    .replace(/\b(\w*(?:password|passwd|secret|token)\w*)(\s*[=:]\s*)('[^']*'|"[^"]*"|\S+)/gi, '$1$2***')
    .replace(/(\w+:\/\/)[^\s/@]+@/g, '$1***@');
}
