/**
 * Values by names that people choose (nodes, hosts): an object without a prototype, to which `__proto__` is a name like any other.
 * An ordinary object has a hidden class for its set of keys; V8 remembers 1,536 of them per first step (`kMaxNumberOfTransitions`),
 * and once the names of a thousand clusters have filled that table, objects of any other new kind get a class each.
 */
export function tableOf<T>(entries: Iterable<readonly [string, T]>): Readonly<Record<string, T>> {
  const table = Object.create(null) as Record<string, T>;
  for (const [name, value] of entries) table[name] = value;
  return table;
}
