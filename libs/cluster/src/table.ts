/**
 * Values by names that people choose (nodes, hosts): an object without a prototype, to which `__proto__` is a name like any other.
 * V8 keeps such an object as a dictionary. An ordinary one has a hidden class for its set of keys, of which V8 shares 1,536 per root
 * (`kMaxNumberOfTransitions`): once the names of a thousand clusters have used them up, every object of a new kind gets its own.
 */
export function tableOf<T>(entries: Iterable<readonly [string, T]>): Readonly<Record<string, T>> {
  const table = Object.create(null) as Record<string, T>;
  for (const [name, value] of entries) table[name] = value;
  return table;
}
