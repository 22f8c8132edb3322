/** A TCP proxy that loses connections at chosen moments: what a network does between a program and its server. */
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';

export interface FaultyProxy {
  readonly port: number;
  /** From now on what the server answers is dropped, and the connection is cut when it has answered. */
  loseNextAnswer(): void;
  /** Cuts every connection now. */
  cut(): void;
  /** Connections are accepted and cut at once while this is true. */
  away: boolean;
  readonly lostAnswers: number;
  close(): Promise<void>;
}

/** Listens on a port from the OS and forwards to `targetPort` of 127.0.0.1. */
export async function startFaultyProxy(targetPort: number): Promise<FaultyProxy> {
  const sockets = new Set<Socket>();
  const state = { away: false, losing: false, lostAnswers: 0 };
  const server = createServer((inner) => {
    if (state.away) {
      inner.destroy();
      return;
    }
    const outer = connect(targetPort, '127.0.0.1');
    const end = (): void => {
      inner.destroy();
      outer.destroy();
      sockets.delete(inner);
    };
    sockets.add(inner);
    inner.on('data', (bytes) => outer.write(bytes));
    outer.on('data', (bytes) => {
      if (!state.losing) {
        inner.write(bytes);
        return;
      }
      // The server has done what it was asked; nobody will hear of it.
      state.losing = false;
      state.lostAnswers += 1;
      end();
    });
    for (const socket of [inner, outer]) socket.on('error', end).on('close', end);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    port: (server.address() as AddressInfo).port,
    loseNextAnswer: () => {
      state.losing = true;
    },
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
    get away() {
      return state.away;
    },
    set away(value: boolean) {
      state.away = value;
    },
    get lostAnswers() {
      return state.lostAnswers;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((done) => server.close(() => done()));
    },
  };
}
