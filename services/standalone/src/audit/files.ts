/** Verification of files alone: what an auditor does who was given them. */
import { existsSync, readFileSync } from 'node:fs';
import {
  checkEvents,
  checkExport,
  CheckpointUnreadable,
  exportedStatements,
  readStatement,
  type SignedHead,
  type StoredEvent,
  type TrustedKeys,
} from '@understudy/event-log';

export interface GivenFiles {
  readonly trusted: TrustedKeys;
  readonly checkpoints: readonly string[];
  readonly events: readonly string[];
}

/** The service whose log an exported file is of. @throws when it is no such file. */
export async function serviceOf(file: string): Promise<string> {
  if (!existsSync(file)) throw new CheckpointUnreadable(`There is no file ${file}.`);
  for await (const row of exportedStatements(file)) return readStatement(row).service;
  throw new CheckpointUnreadable(`${file} holds no checkpoint.`);
}

/** True = all of it is intact, and every events' file is vouched for. */
export async function verifyFiles({ trusted, checkpoints, events }: GivenFiles, print: (text: string) => void): Promise<boolean> {
  const handed = events.map((file) => ({ file, events: readEvents(file) }));
  const wanted = new Set(handed.map(({ events: [first] }) => first?.stream));
  const heads: SignedHead[] = [];
  let intact = true;
  for (const file of checkpoints) {
    const found = await checkExport(await serviceOf(file), trusted, exportedStatements(file), (head) => {
      if (wanted.has(head[0])) heads.push(head);
    });
    intact &&= found.intact;
    if (!found.intact) print(`${file}: NOT INTACT: ${found.reason}\n`);
    else
      print(`${file}: intact, ${found.checkpoints} checkpoints, up to position ${found.last?.position} at ${found.last?.time}\n`);
  }
  for (const one of handed) {
    const found = checkEvents(one.events, heads);
    const signed = found.intact && found.signedVersion > 0;
    intact &&= signed;
    if (!found.intact) print(`${one.file}: NOT INTACT at position ${found.position}, stream ${found.stream}: ${found.reason}\n`);
    else if (!signed) print(`${one.file}: chained, but no checkpoint here speaks of ${found.stream}: nothing vouches for it\n`);
    else print(`${one.file}: ${found.stream} is what was signed, up to version ${found.signedVersion} of ${found.events}\n`);
  }
  return intact;
}

/** JSON as `{"items": [...]}`, or one event per line. */
function readEvents(file: string): readonly StoredEvent[] {
  const text = readFileSync(file, 'utf8').trim();
  try {
    const lines = text.split('\n').filter((line) => line !== '');
    const whole = lines.length === 1 || !lines[0]?.endsWith('}') ? (JSON.parse(text) as { items?: StoredEvent[] }) : undefined;
    if (whole?.items !== undefined) return whole.items;
    return lines.map((line) => JSON.parse(line) as StoredEvent);
  } catch {
    throw new CheckpointUnreadable(`${file} holds no events: it must be what GET /v1/rollouts/ID/events answers.`);
  }
}
