import { createConnection } from 'node:net';
import type { Secret } from '../platform.js';
import { decode, encode, type Reply, ReplyError } from './resp.js';
import type { Place } from './settings.js';

const MOST_ANSWER_BYTES = 1024 * 1024;

export interface Question {
  readonly place: Place;
  /** Sent with AUTH before anything else. */
  readonly login?: Secret;
  /** Sent in one piece; answered one by one, in order. */
  readonly commands: readonly (readonly string[])[];
  readonly deadlineMs: number;
}

export type Answer =
  /** One reply for each command. A no is a `ReplyError` among them. */
  | { readonly status: 'answered'; readonly replies: readonly Reply[] }
  /** Nothing was heard in time, or not all of it: whether a command took effect is not known. */
  | { readonly status: 'silent'; readonly reason: string }
  /** The login was refused, so no command was looked at. */
  | { readonly status: 'refused'; readonly reason: string };

/**
 * Commands to one Redis or Sentinel over a connection of their own, with one deadline for all of it: a connection that
 * was kept would be among those that a change of master ends. A password is sent to that place and goes nowhere else.
 * Never throws.
 */
export function ask(question: Question): Promise<Answer> {
  const { place, login, commands, deadlineMs } = question;
  return new Promise((resolve) => {
    const socket = createConnection({ host: place.address, port: place.port });
    const parts: Buffer[] = [];
    let bytes = 0;
    const end = (answer: Answer): void => {
      clearTimeout(late);
      socket.destroy();
      resolve(answer);
    };
    const silent = (reason: string): void => end({ status: 'silent', reason });
    const late = setTimeout(() => silent(`no answer within ${deadlineMs} ms`), deadlineMs);
    socket.setNoDelay(true);
    socket.on('connect', () => socket.write([...greeting(login), ...commands].map(encode).join('')));
    socket.on('error', (error) => silent(wordsOf(error)));
    socket.on('close', () => silent('the connection was closed in the middle of its answer'));
    socket.on('data', (part) => {
      parts.push(part);
      if ((bytes += part.length) > MOST_ANSWER_BYTES) return silent(`its answer is longer than ${MOST_ANSWER_BYTES} bytes`);
      const answer = answerIn(Buffer.concat(parts), commands.length, login);
      if (answer !== undefined) end(answer);
    });
  });
}

/** Before Redis 6, and where no name is given, there is one password and no name. */
function greeting(login: Secret | undefined): readonly (readonly string[])[] {
  if (login === undefined) return [];
  return [['AUTH', ...(login.user === '' || login.user === 'default' ? [] : [login.user]), login.password]];
}

/** Undefined: not all of it is there. */
function answerIn(received: Buffer, wanted: number, login: Secret | undefined): Answer | undefined {
  try {
    const greetings = greeting(login).length;
    const replies = decode(received, wanted + greetings);
    const [first] = replies;
    if (login !== undefined && first instanceof ReplyError)
      return { status: 'refused', reason: `its login was refused: ${withoutPassword(first.message, login)}` };
    return replies.length === wanted + greetings ? { status: 'answered', replies: replies.slice(greetings) } : undefined;
  } catch (error) {
    return { status: 'silent', reason: wordsOf(error) };
  }
}

/** A server that does not know AUTH repeats in its answer what it was given. */
function withoutPassword(message: string, { password }: Secret): string {
  return password === '' ? message : message.replaceAll(password, '***');
}

function wordsOf(error: unknown): string {
  return error instanceof Error && error.message !== '' ? error.message : 'the connection failed';
}
