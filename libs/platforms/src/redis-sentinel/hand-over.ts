import { setTimeout as delay } from 'node:timers/promises';
import type { OutsideOutcome } from '../entered-acts.js';
import { readInfo, sentence } from './readings.js';
import { ReplyError } from './resp.js';
import type { Session } from './session.js';
import type { Place } from './settings.js';
import { ask } from './transport.js';

/**
 * How long writes wait at most. The Sentinels' links to a master stand still meanwhile (their announcements count as
 * writes), so it is less than the shortest time after which they may take it for down (`LEAST_DOWN_AFTER_MS`).
 */
export const PAUSE_MS = 2_500;
/** Left of a pause, a fence might come too late: it is given up. */
const PAUSE_MARGIN_MS = 1_000;
const LOOK_MS = 5;
const ANSWER_LIMIT_MS = 500;

/** Whoever reconnects asks a Sentinel, or finds a replica that refuses its writes. */
const KILL_CLIENTS = ['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'];
const REWRITE = ['CONFIG', 'REWRITE'];

export interface HandOver {
  readonly login: Session['login'];
  readonly master: Place;
  readonly target: Place;
}

/**
 * Takes writes away from the master at a moment at which the target has every byte of it: writes wait for a limited time, the
 * two positions are compared, and the master follows itself. From then on it takes no writes, however long a promotion takes,
 * and its clients are gone; only behind that the pause is ended, on the same connection.
 *
 * It ends well wherever it is cut off: a pause ends by itself, and a master that follows itself shows that to whoever looks next.
 * Should the order come so late that writes were taken again, the positions differ for good, and nobody is promoted.
 * @returns `refused` where the target had not every byte in time: the master takes writes again when the pause is over.
 */
export async function fence({ login, master, target }: HandOver, limitMs: number): Promise<OutsideOutcome> {
  const command = (place: Place, commands: readonly (readonly string[])[], deadlineMs: number): ReturnType<typeof ask> =>
    ask({ place, ...(login === undefined ? {} : { login }), commands, deadlineMs });
  const sentMs = performance.now();
  const paused = await command(master, [['CLIENT', 'PAUSE', String(PAUSE_MS), 'WRITE']], Math.min(limitMs, PAUSE_MARGIN_MS));
  if (paused.status === 'silent') return { status: 'unknown', detail: `a pause was asked for: ${paused.reason}` };
  const no = paused.status === 'refused' ? paused.reason : refusal(paused.replies);
  if (no !== undefined) return { status: 'refused', detail: `writes could not be paused: ${no}` };
  const info = async (place: Place): Promise<Position> =>
    positionIn(await command(place, [['INFO', 'replication']], ANSWER_LIMIT_MS));
  let seen = 'nothing';
  for (let looks = 0; performance.now() - sentMs < PAUSE_MS - PAUSE_MARGIN_MS; looks += 1) {
    if (looks > 0) await delay(LOOK_MS);
    const [above, below] = [await info(master), await info(target)];
    seen = `${above.words} and ${below.words}`;
    // Sentinels may have promoted somebody since it was seen to be the master.
    if (above.offset !== null && !above.isMaster) return { status: 'refused', detail: `it is not the master any more: ${seen}` };
    if (!isEqual(above, below) || performance.now() - sentMs >= PAUSE_MS - PAUSE_MARGIN_MS) continue;
    return fenced(
      await command(master, [replicaOf(master), KILL_CLIENTS, ['CLIENT', 'UNPAUSE'], REWRITE], PAUSE_MARGIN_MS),
      sentMs,
    );
  }
  return {
    status: 'refused',
    detail: `the positions were not seen to be equal within ${PAUSE_MS - PAUSE_MARGIN_MS} ms of a pause of writes: ${seen}`,
  };
}

export function replicaOf({ address, port }: Place): readonly string[] {
  return ['REPLICAOF', address, String(port)];
}

/** Follows that place from now on, also after a restart, and loses its clients. */
export function followCommands(master: Place): readonly (readonly string[])[] {
  return [replicaOf(master), REWRITE, KILL_CLIENTS];
}

function fenced(answer: Awaited<ReturnType<typeof ask>>, sentMs: number): OutsideOutcome {
  if (answer.status !== 'answered') return { status: 'unknown', detail: `it was told to take no writes: ${answer.reason}` };
  const no = refusal(answer.replies);
  const detail = `writes waited for ${Math.round(performance.now() - sentMs)} ms; it answered: ${answer.replies.map(sentence).join(', ')}`;
  return { status: no === undefined ? 'ended' : 'refused', detail };
}

function refusal(replies: readonly unknown[]): string | undefined {
  const no = replies.find((reply) => reply instanceof ReplyError);
  return no === undefined ? undefined : sentence(no);
}

/** How far one of the two is; null where it cannot be told. */
export interface Position {
  readonly offset: number | null;
  readonly history: string;
  readonly isMaster: boolean;
  readonly words: string;
}

/** Pure. What each one has applied, in one history. */
export function isEqual(above: Position, below: Position): boolean {
  return above.offset !== null && above.offset === below.offset && above.history !== '' && above.history === below.history;
}

const UNTOLD = { offset: null, history: '', isMaster: false } as const;

/** Pure: out of the answer to `INFO replication`. */
export function positionIn(answer: Awaited<ReturnType<typeof ask>>): Position {
  const [info] = answer.status === 'answered' ? answer.replies : [];
  if (typeof info !== 'string') return { ...UNTOLD, words: 'no answer' };
  const fields = readInfo(info);
  const isReplica = fields.get('role') === 'slave';
  const offset = Number(fields.get(isReplica ? 'slave_repl_offset' : 'master_repl_offset') ?? Number.NaN);
  const history = fields.get('master_replid') ?? '';
  if (!Number.isInteger(offset)) return { ...UNTOLD, words: 'no position' };
  return {
    offset,
    history,
    isMaster: !isReplica,
    words: `${isReplica ? 'a replica' : 'a master'} at ${offset} of ${history.slice(0, 8)}`,
  };
}
