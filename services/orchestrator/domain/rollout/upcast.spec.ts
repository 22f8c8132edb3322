import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { stateOf } from './fixtures/contract.js';
import { upcastRollout, VERSIONS, type StoredShape } from './upcast.js';

const folder = new URL('./samples/', import.meta.url);
const samples = readdirSync(folder).map((file) => ({
  file,
  stored: JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as StoredShape,
}));

describe('events of every age', () => {
  it('one sample of every type and version that was ever written lies here, under its name', () => {
    const expected = Object.entries(VERSIONS).flatMap(([type, newest]) =>
      Array.from({ length: newest }, (_, index) => `${type}.v${index + 1}.json`),
    );
    expect(samples.map((sample) => sample.file).sort()).toEqual(expected.sort());
    for (const { file, stored } of samples) expect(file).toBe(`${stored.type}.v${stored.schemaVersion}.json`);
  });

  it.each(samples)('$file is read and folded', ({ stored }) => {
    const event = upcastRollout(stored);
    expect(event.type).toBe(stored.type);
    const planned = upcastRollout(samples.find((sample) => sample.stored.type === 'RolloutPlanned')?.stored as StoredShape);
    expect(stateOf([planned, event]).planned?.rolloutId).toBe('r-1');
  });

  it('what this program does not know is said, not guessed', () => {
    expect(() => upcastRollout({ type: 'RolloutPlanned', schemaVersion: 9, data: {} })).toThrow('a newer one wrote it');
    expect(() => upcastRollout({ type: 'MoonRose', schemaVersion: 1, data: {} })).toThrow('MoonRose');
  });
});
