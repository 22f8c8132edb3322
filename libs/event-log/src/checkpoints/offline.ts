/** An auditor's half of `verify`: exported checkpoints, a public key and events that were handed out, without any database. */
import type { StoredEvent } from '../api.js';
import { CHAIN_START, chainHash } from '../row.js';
import { StatementChain } from './chain.js';
import type { TrustedKeys } from './keys.js';
import type { CheckpointStatement, SignedHead, SignedStatement } from './statement.js';

export type CheckedExport =
  | { readonly intact: true; readonly checkpoints: number; readonly last: CheckpointStatement | null }
  | { readonly intact: false; readonly reason: string };

/** Follows an export from its first statement: signatures, links, and whether one is missing. `onHead` hears what is signed. */
export async function checkExport(
  service: string,
  trusted: TrustedKeys,
  statements: AsyncIterable<SignedStatement>,
  onHead?: (head: SignedHead, statement: CheckpointStatement) => void,
): Promise<CheckedExport> {
  const chain = new StatementChain(service, trusted, true);
  let checkpoints = 0;
  let last: CheckpointStatement | null = null;
  for await (const row of statements) {
    const judged = chain.see(row);
    if (!judged.good) return { intact: false, reason: judged.reason };
    last = judged.statement;
    checkpoints += 1;
    if (last.kind === 'heads') for (const head of last.heads) onHead?.(head, last);
  }
  return { intact: true, checkpoints, last };
}

export type CheckedEvents =
  | { readonly intact: true; readonly stream: string; readonly events: number; readonly signedVersion: number }
  | { readonly intact: false; readonly position: number; readonly stream: string; readonly reason: string };

/**
 * Whether events, as the API gives them, are one stream from its first event on, chained, and what `heads` say of it.
 * `signedVersion`: up to this version they are vouched for; later ones are chained only.
 */
export function checkEvents(events: readonly StoredEvent[], heads: readonly SignedHead[]): CheckedEvents {
  const stream = events[0]?.stream ?? '';
  const hashes = new Map<number, string>();
  let link = CHAIN_START;
  for (const event of events) {
    const bad = (reason: string): CheckedEvents => ({ intact: false, position: event.position, stream: event.stream, reason });
    if (event.stream !== stream) return bad(`it belongs to another stream than ${stream}`);
    if (event.version !== hashes.size + 1) return bad(`version ${hashes.size + 1} is missing before version ${event.version}`);
    const texts = { metadata: JSON.stringify(event.metadata), body: JSON.stringify(event.body) };
    link = chainHash(link, { ...event, ...texts });
    if (link !== event.hash) return bad('its hash is not that of its content chained to the event before');
    hashes.set(event.version, link);
  }
  let signedVersion = 0;
  for (const [signedStream, version, position, hash] of heads) {
    if (signedStream !== stream) continue;
    const found = hashes.get(version);
    if (found !== hash) {
      const what = found === undefined ? 'is not among the events' : 'is another event, or follows a changed one';
      return { intact: false, position, stream, reason: `version ${version}, which was signed, ${what}` };
    }
    signedVersion = Math.max(signedVersion, version);
  }
  return { intact: true, stream, events: events.length, signedVersion };
}
