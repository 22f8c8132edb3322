import { describe, expect, it } from 'vitest';
import { tableOf } from './index.js';

describe('a table', () => {
  it('holds values by their names, the last one where a name comes twice', () => {
    const table = tableOf([
      ['a', 1],
      ['b', 2],
      ['a', 3],
    ]);
    expect(Object.entries(table)).toEqual([
      ['a', 3],
      ['b', 2],
    ]);
    expect(JSON.stringify(table)).toBe('{"a":3,"b":2}');
  });

  it('knows no name that was not given, whatever objects inherit', () => {
    expect(tableOf([])['toString']).toBeUndefined();
    expect(Object.keys(tableOf([['__proto__', 1]]))).toEqual(['__proto__']);
  });
});
