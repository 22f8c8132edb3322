/** Reads bodies: JSON, and YAML where an operation allows it; at most 1 MiB; errors say where. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { LineCounter, parseDocument } from 'yaml';
import { Problem } from '../problems.js';

export const BODY_LIMIT_BYTES = 1024 * 1024;
export const YAML_TYPES = ['application/yaml', 'application/x-yaml', 'text/yaml'];
const JSON_TYPES = ['application/json', 'application/merge-patch+json'];
const MAX_YAML_ALIASES = 100;

/** Replaces Fastify's parsers by ours. */
export function addBodyParsers(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser(JSON_TYPES, { parseAs: 'string' }, (_request, text, done) =>
    settle(() => parseJson(text as string), done),
  );
  fastify.addContentTypeParser(YAML_TYPES, { parseAs: 'string' }, (request, text, done) =>
    settle(() => {
      if (request.routeOptions.config.operation?.yaml !== true) throw unsupported(request);
      return parseYaml(text as string);
    }, done),
  );
}

export function unsupported(request: FastifyRequest): Problem {
  const yaml = request.routeOptions.config.operation?.yaml === true ? ' or application/yaml' : '';
  const sent = request.headers['content-type'] ?? 'nothing';
  return new Problem(
    'unsupported-media-type',
    'MEDIA_TYPE_UNSUPPORTED',
    `The body must be application/json${yaml}, not ${sent.slice(0, 100)}.`,
    {
      headers: { Accept: yaml === '' ? 'application/json' : 'application/json, application/yaml' },
    },
  );
}

function settle(parse: () => unknown, done: (error: Error | null, body?: unknown) => void): void {
  try {
    done(null, parse());
  } catch (error) {
    done(error as Error);
  }
}

function malformed(language: string, line: number | undefined, column: number | undefined, what: string): Problem {
  const place = line === undefined ? '' : ` at line ${line}, column ${column ?? 1}`;
  const detail = `The body is not valid ${language}${place}: ${what}. Mend it there and send it again.`;
  return new Problem('malformed', `${language}_MALFORMED`, detail, {
    errors: [{ pointer: '', code: `${language}_MALFORMED`, detail }],
  });
}

/** Throws `Problem` JSON_MALFORMED (400) with line and column. */
export function parseJson(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    const wrongAt = firstWrongCharacter(text);
    const before = text.slice(0, wrongAt).split('\n');
    const what = wrongAt >= text.length ? 'it ends too early' : 'this character cannot stand there';
    throw malformed('JSON', before.length, (before.at(-1)?.length ?? 0) + 1, what);
  }
}

/**
 * V8 tells the place only sometimes. A prefix that ends before the wrong character fails for being cut short, a longer one for that
 * character: so the place is found by halving (20 parses for 1 MiB).
 */
function firstWrongCharacter(text: string): number {
  let good = 0;
  let bad = text.length + 1;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (isCutShort(text.slice(0, middle))) good = middle;
    else bad = middle;
  }
  return bad - 1;
}

function isCutShort(prefix: string): boolean {
  try {
    JSON.parse(prefix);
    return true;
  } catch (error) {
    const message = error instanceof Error ? error.message : '';
    const position = /at position (\d+)/.exec(message)?.[1];
    return /end of JSON|Unterminated string/.test(message) || (position !== undefined && Number(position) >= prefix.length);
  }
}

/** YAML 1.2, unique keys, bounded aliases, one document. Throws `Problem` YAML_MALFORMED (400) with line and column. */
export function parseYaml(text: string): unknown {
  const lines = new LineCounter();
  const document = parseDocument(text, { uniqueKeys: true, prettyErrors: false, lineCounter: lines });
  const [error] = document.errors;
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0]);
    throw malformed('YAML', line, col, error.message.replace(/\.$/, ''));
  }
  try {
    return document.toJS({ maxAliasCount: MAX_YAML_ALIASES });
  } catch {
    throw malformed('YAML', 1, 1, `it has more than ${MAX_YAML_ALIASES} aliases, or one that cannot be resolved`);
  }
}
