import { describe, expect, it } from 'vitest';
import { type AdoptionLook, type Incarnation, type LeaseSeen, mayAdopt } from './adoption.js';

const LEASE_TERM_MS = 30_000;
const NOW = 1_800_000_000_000;

/** A process that began so long ago: its id says when. */
function began(instance: string, agoMs: number): Incarnation {
  const time = (NOW - agoMs).toString(16).padStart(12, '0');
  const tail = instance === 'one' ? '000000000001' : '000000000002';
  return { instance, incarnation: `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${tail}` };
}

const lease = (process: Incarnation, alive = true): LeaseSeen => ({ ...process, alive });
const look = (self: Incarnation, ...leases: readonly LeaseSeen[]): AdoptionLook => ({
  self,
  leases: [lease(self), ...leases],
  leaseTermMs: LEASE_TERM_MS,
  nowMs: NOW,
});

describe('a rollout is adopted', () => {
  const self = began('one', 3_600_000);
  const other = began('two', 3_600_000);

  it('when nobody owns it, or its owner’s lease has ended', () => {
    expect(mayAdopt(null, 0, look(self))).toBe(true);
    expect(mayAdopt(other, 0, look(self, lease(other, false)))).toBe(true);
    expect(mayAdopt(other, 0, look(self))).toBe(true);
    expect(mayAdopt(other, 3_600_000, look(self, lease(other)))).toBe(false);
  });

  it('at once by the next start of the same instance, whichever of them its clock calls the later one', () => {
    for (const before of [began('one', 7_200_000), began('one', 1_000), began('one', -3_600_000)]) {
      expect(mayAdopt(before, 0, look(self))).toBe(true);
      expect(mayAdopt(before, 0, look(self, lease(before, false)))).toBe(true);
    }
  });

  it('never back by the start that was replaced, nor from itself', () => {
    const successor = began('one', 7_200_000);
    const replaced = { ...look(self), leases: [lease(successor)] };
    expect(mayAdopt(successor, 3_600_000, replaced)).toBe(false);
    expect(mayAdopt(successor, 3_600_000, { ...replaced, leases: [] }), 'its lease is gone for good').toBe(false);
    expect(mayAdopt(self, 3_600_000, look(self, lease(self, false)))).toBe(false);
    expect(mayAdopt(self, 0, { ...look(self), leases: [lease(self, false)] })).toBe(false);
  });

  it('not from an instance that is back a moment ago, unless it has left it alone for a whole lease', () => {
    const back = lease(began('two', 5_000));
    expect(mayAdopt(other, 0, look(self, back))).toBe(false);
    expect(mayAdopt(other, LEASE_TERM_MS, look(self, back))).toBe(false);
    expect(mayAdopt(other, LEASE_TERM_MS + 1, look(self, back))).toBe(true);
    // Back for longer than a lease: it had its time.
    expect(mayAdopt(other, 0, look(self, lease(began('two', LEASE_TERM_MS + 1))))).toBe(true);
    expect(mayAdopt(other, 0, look(self, lease(began('two', 5_000), false)))).toBe(true);
  });
});
