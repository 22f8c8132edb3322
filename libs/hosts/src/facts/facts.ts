import { readFileSync } from 'node:fs';
import type { Host } from '../host.js';

const PROGRAM = readFileSync(new URL('../../src/facts/facts.sh', import.meta.url), 'utf8');

/** What may leave a host: whatever else its programs print is dropped here, before anything is stored. */
const ALLOWED: Readonly<Record<string, RegExp>> = {
  'kernel.release': /^[\w.+~-]{1,100}$/,
  'kernel.name': /^\w{1,40}$/,
  machine: /^\w{1,40}$/,
  'os.id': /^[\w.-]{1,40}$/,
  'os.version': /^[\w.-]{1,40}$/,
  'os.name': /^[\w .()/-]{1,100}$/,
  'packages.count': /^\d{1,7}$/,
  'packages.unfinished': /^\d{1,7}$/,
  'packages.sha256': /^[0-9a-f]{64}$/,
  'time.synchronised': /^(yes|no)$/,
  'time.zone': /^[A-Za-z0-9+-]{1,40}$/,
  'reboot.required': /^(yes|no word of it)$/,
};

/** Those whose names depend on the host: shape of the name, shape of the value. */
const FAMILIES: readonly (readonly [RegExp, RegExp])[] = [
  [/^sysctl\.[a-z0-9_.]{1,60}$/, /^[\w -]{1,60}$/],
  [/^config\.[\w/.-]{1,60}$/, /^[0-9a-f]{16}$/],
  [/^disk\.\/[\w./-]{0,100}$/, /^(low|enough)$/],
  [/^service\.[\w@:.\\-]{1,200}\.(service|timer)$/, /^(enabled|masked)$/],
  [/^failed\.[\w@:.\\-]{1,200}\.service$/, /^yes$/],
  [/^automation\.[a-z0-9-]{1,40}$/, /^on$/],
];
const MOST_OF_FAMILIES = 400;

/** By name from a closed list; null = could not be had on this host, which is never the same as equal. */
export interface HostFacts {
  readonly status: 'collected';
  readonly facts: Readonly<Record<string, string | null>>;
}

/**
 * What a host is: kernel and its settings, operating system, packages, clock, files that decide how it behaves (as digests), disks, what
 * starts at boot and what has failed, who else changes it. Changes nothing.
 */
export async function collectHostFacts(
  host: Host,
  deadlineMs: number,
): Promise<HostFacts | { readonly status: 'unknown'; readonly reason: string }> {
  const result = await host.access.run({ argv: ['sh', '-s'], stdin: PROGRAM, deadlineMs });
  if (result.status === 'unknown') return result;
  if (result.code !== 0) return { status: 'unknown', reason: `the collector ended with ${result.code}` };
  return { status: 'collected', facts: readFacts(result.stdout) };
}

/** Pure: lines `name<tab>value` into the facts of the lists; unlisted names and values of another shape do not pass. */
export function readFacts(text: string): Readonly<Record<string, string | null>> {
  const told = new Map(text.split('\n').map((line) => [line.split('\t')[0] ?? '', line.split('\t').slice(1).join('\t')]));
  const listed = Object.entries(ALLOWED).map(([name, shape]) => [name, shaped(told.get(name), shape)] as const);
  const others = [...told].filter(([name, value]) => FAMILIES.some(([names, values]) => names.test(name) && values.test(value)));
  return Object.fromEntries([...others.slice(0, MOST_OF_FAMILIES), ...listed]);
}

function shaped(value: string | undefined, shape: RegExp): string | null {
  return value !== undefined && shape.test(value) ? value : null;
}
