/** A set of items to bring to target versions. Identity and times are given at the door. */
export interface PatchSet {
  readonly id: string;
  readonly items: readonly PatchItem[];
  /** Identifiers of the advisories that these items fix, e.g. CVE numbers. */
  readonly advisories: readonly string[];
  /** RFC 3339: when the fixes were published; debt counts from here. */
  readonly publishedAt: string;
}

export interface PatchItem {
  readonly name: string;
  readonly targetVersion: string;
  /** A patch source's name. */
  readonly source: string;
  /** A name that the host's patch source resolves inside its own folder; never a path or an address. */
  readonly artifact?: string;
}

/**
 * Compares dotted numeric versions (`17.9` < `17.10`); a part that is not a number compares as text.
 * @returns negative, zero or positive, as for `Array.sort`.
 */
export function compareVersions(left: string, right: string): number {
  const a = left.split(/[.-]/);
  const b = right.split(/[.-]/);
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const order = comparePart(a[i] ?? '0', b[i] ?? '0');
    if (order !== 0) return order;
  }
  return 0;
}

function comparePart(left: string, right: string): number {
  const numeric = /^\d+$/;
  if (numeric.test(left) && numeric.test(right)) return Number(left) - Number(right);
  return left < right ? -1 : left > right ? 1 : 0;
}
