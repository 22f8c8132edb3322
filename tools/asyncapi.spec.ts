import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readTopics } from '@understudy/messaging';
import { describe, expect, it } from 'vitest';
import { stringify, parse } from 'yaml';
import { asyncApiDocument, commentsOf } from './asyncapi.js';
import { ROOT, listFiles, read } from './workspace.js';

const DOCUMENT = 'docs/asyncapi.yaml';
const made = asyncApiDocument(readTopics());

interface Reference {
  readonly $ref: string;
}

/** Every `$ref` in a document. */
function references(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  const own = typeof (value as Partial<Reference>).$ref === 'string' ? [(value as Reference).$ref] : [];
  return [...own, ...Object.values(value).flatMap(references)];
}

function follow(reference: string): unknown {
  const steps = reference.replace(/^#\//, '').split('/');
  return steps.reduce<unknown>((value, step) => (value as Readonly<Record<string, unknown>> | undefined)?.[step], made);
}

describe('the AsyncAPI document', () => {
  it('is the one in docs/asyncapi.yaml (UPDATE_ASYNCAPI=1 writes it anew)', () => {
    const text = stringify(made, { lineWidth: 0, aliasDuplicateObjects: false, singleQuote: true });
    if (process.env['UPDATE_ASYNCAPI'] === '1') writeFileSync(join(ROOT, DOCUMENT), text);
    expect(parse(read(DOCUMENT))).toEqual(parse(text));
  });

  it('has no reference that leads nowhere', () => {
    const lost = references(made).filter((reference) => follow(reference) === undefined);
    expect(lost).toEqual([]);
    expect(references(made).length).toBeGreaterThan(50);
  });

  it('knows every event type that the services publish or handle', () => {
    const { messages } = made['components'] as { readonly messages: Readonly<Record<string, { readonly name: string }>> };
    const documented = Object.values(messages).map(({ name }) => name);
    const sources = listFiles().filter((path) => /^services\/[a-z]+\/src\/(inbound\/events|outbound)\/(?!.*spec)/.test(path));
    const named = sources.flatMap((path) => read(path).match(/understudy\.[a-z]+\.[a-z][a-z0-9-]*\.v\d/g) ?? []);
    const published = sources.flatMap((path) => {
      const names = [...read(path).matchAll(/\bas\('([a-z-]+)'/g)].map(([, name]) => name);
      return path.endsWith('/publish.ts') ? names.map((name) => `understudy.${path.split('/')[1]}.${name}.v1`) : [];
    });
    expect([...named, ...published].filter((type) => !documented.includes(type))).toEqual([]);
    expect(named.length).toBeGreaterThan(5);
    expect(published.length).toBeGreaterThan(10);
  });

  it('takes what things mean from the comments of the published language', () => {
    const comments = commentsOf(
      '// Two\n// lines.\nmessage A {\n  // Above.\n  string one_two = 1;\n  string bare = 2;\n  int32 behind = 3; // Behind.\n}\n',
    );
    expect([...comments]).toEqual([
      ['A', 'Two lines.'],
      ['A.one_two', 'Above.'],
      ['A.behind', 'Behind.'],
    ]);
  });
});
