import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { fence } from './hand-over.js';
import type { OutsideOutcome } from '../entered-acts.js';

const LIMIT_MS = 8_000;
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

interface Redis {
  readonly port: number;
  /** The commands it got, in their order, without their arguments' lengths. */
  readonly heard: string[];
}

/** Speaks as Redis does: says that position of itself, and OK to all else but what it refuses. */
async function redis(role: 'master' | 'slave', offset: () => number, refuses: readonly string[] = []): Promise<Redis> {
  const heard: string[] = [];
  const info = (): string =>
    `role:${role}\r\nmaster_replid:h1\r\n${role === 'master' ? 'master' : 'slave'}_repl_offset:${offset()}\r\n`;
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (part) => {
      for (const command of part
        .toString('utf8')
        .split(/^\*\d+\r\n/m)
        .slice(1)) {
        const words = command.split('\r\n').filter((_, i) => i % 2 === 1);
        heard.push(words.join(' '));
        const text = info();
        if (words[0] === 'INFO') socket.write(`$${Buffer.byteLength(text)}\r\n${text}\r\n`);
        else socket.write(refuses.includes(words[0] ?? '') ? '-NOPERM no permissions\r\n' : '+OK\r\n');
      }
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as { port: number }).port, heard };
}

function fencing(master: Redis, target: Redis): Promise<OutsideOutcome> {
  const place = ({ port }: Redis) => ({ address: '127.0.0.1', port });
  return fence({ login: undefined, master: place(master), target: place(target) }, LIMIT_MS);
}

describe('a fence', () => {
  it('takes the writes away, then the clients, and only then ends the pause, once the target has every byte', async () => {
    let behind = 2;
    const [master, target] = [await redis('master', () => 100), await redis('slave', () => 100 - Math.max(0, (behind -= 1)))];
    expect(await fencing(master, target)).toMatchObject({ status: 'ended' });
    const acts = master.heard.filter((command) => !command.startsWith('INFO'));
    expect(acts).toEqual([
      'CLIENT PAUSE 2500 WRITE',
      `REPLICAOF 127.0.0.1 ${master.port}`,
      'CLIENT KILL TYPE normal SKIPME yes',
      'CLIENT UNPAUSE',
      'CONFIG REWRITE',
    ]);
    expect(target.heard.every((command) => command === 'INFO replication')).toBe(true);
  });

  it.each<[string, () => Promise<readonly [Redis, Redis]>, string]>([
    [
      'the target stays behind',
      async () => [await redis('master', () => 100), await redis('slave', () => 99)],
      'were not seen to be equal within 1500 ms',
    ],
    [
      'it is the master no more',
      async () => [await redis('slave', () => 100), await redis('slave', () => 100)],
      'it is not the master any more',
    ],
    [
      'writes cannot be paused',
      async () => [await redis('master', () => 100, ['CLIENT']), await redis('slave', () => 100)],
      'writes could not be paused: NOPERM',
    ],
  ])('is refused, and nothing follows anybody, where %s', async (_, given, words) => {
    const [master, target] = await given();
    expect(await fencing(master, target)).toMatchObject({ status: 'refused', detail: expect.stringContaining(words) });
    expect(master.heard.filter((command) => command.startsWith('REPLICAOF'))).toEqual([]);
  });
});
