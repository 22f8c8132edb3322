import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ReplyError } from './resp.js';
import { ask, type Answer } from './transport.js';

const LIMIT_MS = 1_000;
const login = { user: 'watcher', password: 'of-redis' };
const servers: Server[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** A server that does so with what it hears, and what it has heard. */
async function serving(answer: (socket: Socket, heard: string) => void): Promise<{ port: number; heard: () => string }> {
  let heard = '';
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (part) => {
      heard += part.toString('utf8');
      answer(socket, heard);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as { port: number }).port, heard: () => heard };
}

const greeted = new WeakSet<Socket>();

/** To the login first, then to the commands. */
function answersTo(socket: Socket): string {
  if (greeted.has(socket)) return '+PONG\r\n*0\r\n';
  greeted.add(socket);
  return '+OK\r\n';
}

function asking(port: number, secret?: typeof login): Promise<Answer> {
  const place = { address: '127.0.0.1', port };
  return ask({ place, ...(secret === undefined ? {} : { login: secret }), commands: [['PING'], ['ROLE']], deadlineMs: LIMIT_MS });
}

describe('a question', () => {
  it('is answered command by command, a no among them, whatever pieces the answer comes in', async () => {
    const { port } = await serving((socket) => {
      socket.write('+PO');
      setTimeout(() => socket.write('NG\r\n-NOPERM no\r\n'), 10);
    });
    expect(await asking(port)).toEqual({ status: 'answered', replies: ['PONG', new ReplyError('NOPERM no')] });
  });

  it('logs in first, with a name where there is one, and nothing of that is in the answer', async () => {
    const named = await serving((socket) => socket.write(answersTo(socket)));
    expect(await asking(named.port, login)).toEqual({ status: 'answered', replies: ['PONG', []] });
    expect(named.heard()).toContain('AUTH\r\n$7\r\nwatcher\r\n$8\r\nof-redis');
    expect(named.heard()).toContain('PING');
    const plain = await serving((socket) => socket.write(answersTo(socket)));
    await asking(plain.port, { ...login, user: 'default' });
    expect(plain.heard()).toContain('*2\r\n$4\r\nAUTH\r\n$8\r\nof-redis');
  });

  it('is refused with the login, and the password is in no word of it', async () => {
    const { port } = await serving((socket) =>
      socket.write("-ERR unknown command 'AUTH', with args: 'of-redis'\r\n+PONG\r\n*0\r\n"),
    );
    const answer = await asking(port, login);
    expect(answer).toMatchObject({ status: 'refused', reason: expect.stringContaining('its login was refused') });
    expect(JSON.stringify(answer)).not.toContain('of-redis');
    const long = 'x'.repeat(200);
    const cut = await serving((socket) =>
      socket.write(`-ERR unknown command 'AUTH', with args beginning with: '${long.slice(0, 128)}\r\n`),
    );
    expect(JSON.stringify(await asking(cut.port, { ...login, password: long }))).not.toContain('xxx');
  });

  it('asks nothing where its login is refused: one that wants none would obey', async () => {
    const { port, heard } = await serving((socket, all) =>
      socket.write(all.includes('PING') ? '+PONG\r\n*0\r\n' : '-ERR AUTH <password> called without any password configured\r\n'),
    );
    expect(await asking(port, login)).toMatchObject({ status: 'refused' });
    expect(heard()).not.toContain('PING');
  });

  it.each<[string, (socket: Socket) => void, string]>([
    ['says nothing', () => undefined, `no answer within ${LIMIT_MS} ms`],
    ['says only half of it', (socket) => void socket.write('+PONG\r\n*2\r\n'), `no answer within ${LIMIT_MS} ms`],
    ['hangs up', (socket) => socket.destroy(), 'closed in the middle'],
    ['speaks something else', (socket) => void socket.write('HTTP/1.1 400\r\n'), 'does not speak the protocol'],
    ['never ends', (socket) => void socket.write(`+${'x'.repeat(2_000_000)}`), 'is longer than'],
  ])('is silent, with the reason, where the other side %s', async (_, answer, words) => {
    const { port } = await serving(answer);
    expect(await asking(port)).toMatchObject({ status: 'silent', reason: expect.stringContaining(words) });
  });

  it('is silent where nobody listens', async () => {
    const { port } = await serving(() => undefined);
    await new Promise((resolve) => servers.pop()?.close(resolve));
    expect(await asking(port)).toMatchObject({ status: 'silent', reason: expect.stringContaining('ECONNREFUSED') });
  });
});
