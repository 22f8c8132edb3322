import { createConnection } from 'node:net';
import type { Secret } from '../platform.js';
import { decode, encode, type Reply, ReplyError } from './resp.js';
import type { Place } from './settings.js';

const MOST_ANSWER_BYTES = 1024 * 1024;

export interface Question {
  readonly place: Place;
  /** Sent with AUTH, and the commands only when it was taken: where it is refused for being none of its, they would be obeyed all the same. */
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
    const send = (words: readonly (readonly string[])[]): boolean => socket.write(words.map(encode).join(''));
    let isIn = login === undefined;
    socket.on('connect', () => send(login === undefined ? commands : [greeting(login)]));
    socket.on('error', (error) => silent(wordsOf(error)));
    socket.on('close', () => silent('the connection was closed in the middle of its answer'));
    socket.on('data', (part) => {
      parts.push(part);
      if ((bytes += part.length) > MOST_ANSWER_BYTES) return silent(`its answer is longer than ${MOST_ANSWER_BYTES} bytes`);
      const answer = answerIn(Buffer.concat(parts), commands.length, login);
      if (answer === undefined) return;
      if (answer !== 'logged in') return end(answer);
      if (!isIn) send(commands);
      isIn = true;
    });
  });
}

/** Before Redis 6, and where no name is given, there is one password and no name. */
function greeting({ user, password }: Secret): readonly string[] {
  return ['AUTH', ...(user === '' || user === 'default' ? [] : [user]), password];
}

/** Undefined: not all of it is there. `logged in`: nor is it, and the login was taken. */
function answerIn(received: Buffer, wanted: number, login: Secret | undefined): Answer | 'logged in' | undefined {
  try {
    const greetings = login === undefined ? 0 : 1;
    const replies = decode(received, wanted + greetings);
    const [first] = replies;
    if (login !== undefined && first instanceof ReplyError)
      return { status: 'refused', reason: `its login was refused: ${withoutPassword(first.message, login)}` };
    if (replies.length === wanted + greetings) return { status: 'answered', replies: replies.slice(greetings) };
    return login !== undefined && first !== undefined ? 'logged in' : undefined;
  } catch (error) {
    return { status: 'silent', reason: wordsOf(error) };
  }
}

/** A server that does not know AUTH repeats in its answer what it was given, and of a long password the beginning. */
function withoutPassword(message: string, { password }: Secret): string {
  const told = message.replace(/,? with args.*/s, '');
  return password === '' ? told : told.replaceAll(password, '***');
}

function wordsOf(error: unknown): string {
  return error instanceof Error && error.message !== '' ? error.message : 'the connection failed';
}
