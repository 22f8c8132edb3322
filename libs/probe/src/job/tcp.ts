import { Socket } from 'node:net';
import { codeOf } from './attempt.js';
import { hostAndPort } from './spec.js';

/** Succeeds when the target accepts a connection. Nothing is sent. */
export function attemptTcp(target: string, timeoutMs: number): Promise<string | null> {
  const address = hostAndPort(target);
  if (!address) return Promise.resolve('no-address');
  return new Promise((resolve) => {
    const socket = new Socket();
    const finish = (code: string | null): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(code);
    };
    const timer = setTimeout(() => finish('timeout'), timeoutMs);
    socket.once('error', (error) => finish(codeOf(error)));
    socket.connect(address, () => finish(null));
  });
}
