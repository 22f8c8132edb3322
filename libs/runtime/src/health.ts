/** What `/health/live` and `/health/ready` answer. Parts are registered by whoever owns them; nothing here knows a service. */

export type PartStatus = 'ok' | 'degraded' | 'down';

export interface PartHealth {
  readonly status: PartStatus;
  /** For a person: why, since when. No secret, no address with a password. */
  readonly reason?: string;
}

export interface ReadyReport {
  readonly status: PartStatus;
  readonly parts: Readonly<Record<string, PartHealth>>;
}

const PART_LIMIT_MS = 2_000;

export class Health {
  private readonly parts = new Map<string, () => PartHealth | Promise<PartHealth>>();
  private leaving = false;

  /** Adds a part, e.g. `store`, `relay.inventory`. A part that throws or takes over 2 s is `down`. */
  register(name: string, check: () => PartHealth | Promise<PartHealth>): void {
    this.parts.set(name, check);
  }

  /** From now on not ready: the process is shutting down. */
  leave(): void {
    this.leaving = true;
  }

  async report(): Promise<ReadyReport> {
    const entries = await Promise.all([...this.parts].map(async ([name, check]) => [name, await bounded(check)] as const));
    const parts: Record<string, PartHealth> = Object.fromEntries(entries);
    if (this.leaving) parts['process'] = { status: 'down', reason: 'shutting down' };
    const statuses = Object.values(parts).map(({ status }) => status);
    return { status: statuses.includes('down') ? 'down' : statuses.includes('degraded') ? 'degraded' : 'ok', parts };
  }
}

async function bounded(check: () => PartHealth | Promise<PartHealth>): Promise<PartHealth> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<PartHealth>((resolve) => {
    timer = setTimeout(() => resolve({ status: 'down', reason: `no answer within ${PART_LIMIT_MS} ms` }), PART_LIMIT_MS);
  });
  try {
    return await Promise.race([Promise.resolve().then(check), late]);
  } catch {
    return { status: 'down', reason: 'the check itself failed; see the log' };
  } finally {
    clearTimeout(timer);
  }
}
