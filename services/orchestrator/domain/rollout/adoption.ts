/** Of a process: stable across restarts, and of this start. */
export interface Incarnation {
  readonly instance: string;
  /** UUIDv7 of the process's start, by the clock of its machine. */
  readonly incarnation: string;
}

/** A process's lease, as the store sees it. */
export interface LeaseSeen extends Incarnation {
  readonly alive: boolean;
}

/** What a process knows when it looks for rollouts to adopt. */
export interface AdoptionLook {
  readonly self: Incarnation;
  /** Of all processes. */
  readonly leases: readonly LeaseSeen[];
  /** How long a lease lasts, in milliseconds. */
  readonly leaseTermMs: number;
  /** By the store's clock, milliseconds since the epoch. */
  readonly nowMs: number;
}

/**
 * Whether a rollout may be adopted. The same instance takes over from its own earlier start at once; another one waits
 * until the owner's lease has ended. A process that begins ends the lease of its own predecessor for good: so of two starts
 * the leases tell the successor (their ids would not, where the machine's clock was put back in between), and for as long as
 * that lease would have lasted the others leave the successor the time to adopt; who has not done so by then (`goneForMs`:
 * how long this process has seen the owner without a lease) has lost the precedence, however often it begins again.
 */
export function mayAdopt(owner: Incarnation | null, goneForMs: number, look: AdoptionLook): boolean {
  const { self, leases, leaseTermMs, nowMs } = look;
  if (owner === null) return true;
  if (isAlive(owner, leases)) return false;
  // A process that its own successor has replaced has no lease any more: it does not take anything back.
  if (owner.instance === self.instance) return owner.incarnation !== self.incarnation && isAlive(self, leases);
  const isBack = leases.some(({ alive, instance, incarnation }) => alive && instance === owner.instance && isYoung(incarnation));
  return !isBack || goneForMs > leaseTermMs;

  function isYoung(incarnation: string): boolean {
    // RFC 9562, section 5.7: the first 48 bits of a UUIDv7 are milliseconds since the epoch.
    return Number.parseInt(incarnation.replaceAll('-', '').slice(0, 12), 16) > nowMs - leaseTermMs;
  }
}

export function isAlive(owner: Incarnation, leases: readonly LeaseSeen[]): boolean {
  return leases.some(({ alive, incarnation }) => alive && incarnation === owner.incarnation);
}
