import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../../..');
const buf = join(root, 'node_modules/.bin/buf');
const LIMIT_MS = 60_000;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'understudy-contracts-'));
  for (const name of ['buf.yaml', 'buf.gen.yaml']) cpSync(join(root, name), join(folder, name));
  cpSync(join(root, 'proto'), join(folder, 'proto'), { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What buf says; throws with it when it is not content. */
function run(...words: readonly string[]): string {
  const path = `${join(root, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`;
  try {
    return execFileSync(buf, words, { cwd: folder, encoding: 'utf8', stdio: 'pipe', env: { ...process.env, PATH: path } });
  } catch (error) {
    const { stdout, stderr } = error as { readonly stdout: string; readonly stderr: string };
    throw new Error(`${stdout}${stderr}`, { cause: error });
  }
}

const breaking = (): string => run('breaking', '--against', 'proto/image.binpb');

describe('the published language', () => {
  it(
    'is in order, breaks nobody, and its code is what is generated from it',
    () => {
      run('lint');
      expect(breaking()).toBe('');
      run('generate');
      const made = join(folder, 'libs/contracts/src/gen');
      const files = (at: string): readonly string[] =>
        readdirSync(at, { recursive: true, encoding: 'utf8' })
          .filter((name) => name.endsWith('.ts'))
          .sort();
      const kept = join(root, 'libs/contracts/src/gen');
      expect(files(kept)).toEqual(files(made));
      for (const name of files(made)) expect(readFileSync(join(kept, name), 'utf8')).toBe(readFileSync(join(made, name), 'utf8'));
    },
    LIMIT_MS,
  );

  it(
    'that would break a client is found: a field that is gone, a number with another meaning',
    () => {
      const file = join(folder, 'proto/understudy/inventory/v1/clusters.proto');
      const text = readFileSync(file, 'utf8');
      writeFileSync(file, text.replace('  optional string twin_of = 5;\n', ''));
      expect(breaking).toThrow(/field "5" with name "twin_of"/);
      writeFileSync(file, text.replace('optional int64 expected_version = 2;', 'optional string expected_version = 2;'));
      expect(breaking).toThrow(/"expected_version"/);
      writeFileSync(file, text);
      expect(breaking()).toBe('');
    },
    LIMIT_MS,
  );
});
