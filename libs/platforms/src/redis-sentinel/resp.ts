/**
 * Redis's protocol in its second version, as far as a client needs it that asks and reads answers. Pure.
 * https://redis.io/docs/latest/develop/reference/protocol-spec/
 */

export type Reply = string | number | null | ReplyError | readonly Reply[];

/** An answer that is a no, such as `-ERR unknown command`. It is a value: what it means is for who asked. */
export class ReplyError {
  constructor(readonly message: string) {}
}

/** More than a hundred times what a cluster of ten nodes answers. */
const MOST_ELEMENTS = 20_000;
const MOST_DEPTH = 8;
const END = '\r\n';

/** A command as an array of bulk strings: nothing in an argument can be read as something else. */
export function encode(command: readonly string[]): string {
  return `*${command.length}${END}${command.map((part) => `$${Buffer.byteLength(part)}${END}${part}${END}`).join('')}`;
}

/**
 * Reads the replies at the beginning of what was received.
 * @returns those that are whole, at most `most` of them.
 * @throws Error where it is no such protocol.
 */
export function decode(received: Buffer, most: number): readonly Reply[] {
  const reader = new Reader(received);
  const replies: Reply[] = [];
  while (replies.length < most) {
    const reply = reader.next(0);
    if (reply === undefined) break;
    replies.push(reply);
  }
  return replies;
}

class Reader {
  private at = 0;
  private elements = 0;

  constructor(private readonly bytes: Buffer) {}

  /** Undefined: it is not whole yet. */
  next(depth: number): Reply | undefined {
    const end = this.bytes.indexOf(END, this.at);
    if (end < 0) return undefined;
    if ((this.elements += 1) > MOST_ELEMENTS || depth > MOST_DEPTH) throw new Error('the answer is too large');
    const kind = String.fromCharCode(this.bytes[this.at] as number);
    const rest = this.bytes.toString('utf8', this.at + 1, end);
    this.at = end + END.length;
    switch (kind) {
      case '+':
        return rest;
      case '-':
        return new ReplyError(rest);
      case ':':
        return number(rest);
      case '$':
        return this.bulk(number(rest));
      case '*':
        return this.array(number(rest), depth);
      default:
        throw new Error('what answers there does not speak the protocol of Redis');
    }
  }

  private bulk(length: number): string | null | undefined {
    if (length < 0) return null;
    const end = this.at + length;
    if (this.bytes.length < end + END.length) return undefined;
    const text = this.bytes.toString('utf8', this.at, end);
    this.at = end + END.length;
    return text;
  }

  private array(length: number, depth: number): readonly Reply[] | null | undefined {
    if (length < 0) return null;
    const replies: Reply[] = [];
    for (let i = 0; i < length; i++) {
      const reply = this.next(depth + 1);
      if (reply === undefined) return undefined;
      replies.push(reply);
    }
    return replies;
  }
}

function number(text: string): number {
  if (!/^-?\d{1,16}$/.test(text)) throw new Error('what answers there does not speak the protocol of Redis');
  return Number(text);
}
