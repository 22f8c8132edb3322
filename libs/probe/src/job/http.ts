import { codeOf } from './attempt.js';

/** Succeeds on any 2xx. A redirect is a failure: what it leads to is another target. */
export async function attemptHttp(url: string, timeoutMs: number): Promise<string | null> {
  try {
    const response = await fetch(url, {
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
      headers: { connection: 'close', 'user-agent': 'understudy-probe' },
    });
    await response.body?.cancel();
    return response.ok ? null : `http-${response.status}`;
  } catch (error) {
    if (error instanceof Error && error.name === 'TimeoutError') return 'timeout';
    return codeOf(error instanceof Error && error.cause !== undefined ? error.cause : error);
  }
}
