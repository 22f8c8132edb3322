/** Keyset pages. A cursor is opaque, and only good for the list and the filter that it was made for. */
import { fingerprintOf } from '../ids.js';
import { Problem } from '../problems.js';
import type { Schema } from './operation.js';

export const DEFAULT_LIMIT = 50;
export const MAX_LIMIT = 200;

/** Where a page begins, and what a continued list must carry. */
export interface Page {
  readonly limit: number;
  /** The key of the last item before this page, as given to `pageOf`; undefined = the first page. */
  readonly after: readonly (string | number)[] | undefined;
  readonly list: string;
  readonly filter: string;
}

export interface PageDocument<T> {
  readonly items: readonly T[];
  readonly page: { readonly nextCursor: string | null; readonly limit: number };
}

/**
 * Builds a page from up to `limit + 1` rows: read one more than the limit, and the presence of that one says that there is a next
 * page. `keyOf` answers the values of the list's total, immutable order.
 */
export function pageOf<R, T>(
  page: Page,
  rows: readonly R[],
  keyOf: (row: R) => readonly (string | number)[],
  itemOf: (row: R) => T,
): PageDocument<T> {
  const shown = rows.slice(0, page.limit);
  const last = shown.at(-1);
  const nextCursor =
    rows.length > page.limit && last !== undefined ? encode({ list: page.list, filter: page.filter, after: keyOf(last) }) : null;
  return { items: shown.map(itemOf), page: { nextCursor, limit: page.limit } };
}

/** Reads `limit` and `cursor` of a validated query. Throws `Problem` CURSOR_INVALID (400) for a cursor of another list or filter. */
export function pageFrom(
  list: string,
  query: Readonly<Record<string, unknown>>,
  filter: Readonly<Record<string, unknown>>,
  keys?: readonly ('string' | 'number')[],
): Page {
  const limit = typeof query['limit'] === 'number' ? query['limit'] : DEFAULT_LIMIT;
  const hash = fingerprintOf(filter).slice(0, 16);
  const text = query['cursor'];
  if (typeof text !== 'string') return { limit, after: undefined, list, filter: hash };
  const cursor = decode(text);
  if (cursor === undefined || cursor.list !== list || cursor.filter !== hash || !fits(cursor.after, keys)) {
    const detail = 'This cursor does not belong to this list with this filter. Begin again without a cursor.';
    throw new Problem('malformed', 'CURSOR_INVALID', detail, {
      errors: [{ pointer: '/cursor', code: 'CURSOR_INVALID', detail, in: 'query' }],
    });
  }
  return { limit, after: cursor.after, list, filter: hash };
}

/** Whether a cursor's values are of the kinds that the list's order has; what is made up must not reach a query. */
function fits(after: readonly unknown[], keys: readonly string[] | undefined): boolean {
  return keys === undefined || (after.length === keys.length && after.every((value, index) => typeof value === keys[index]));
}

interface Cursor {
  readonly list: string;
  readonly filter: string;
  readonly after: readonly (string | number)[];
}

function encode({ list, filter, after }: Cursor): string {
  return Buffer.from(JSON.stringify([1, list, filter, ...after])).toString('base64url');
}

function decode(text: string): Cursor | undefined {
  try {
    const [version, list, filter, ...after] = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as unknown[];
    const whole = version === 1 && typeof list === 'string' && typeof filter === 'string' && after.length > 0;
    const keys = after.filter((key): key is string | number => typeof key === 'string' || typeof key === 'number');
    return whole && keys.length === after.length ? { list, filter, after: keys } : undefined;
  } catch {
    return undefined;
  }
}

/** Query parameters that every list has. */
export const PAGE_QUERY: Readonly<Record<string, Schema>> = {
  limit: { type: 'integer', minimum: 1, maximum: MAX_LIMIT, default: DEFAULT_LIMIT, description: 'Items per page.' },
  cursor: { type: 'string', minLength: 1, maxLength: 1_000, description: '`page.nextCursor` of the page before.' },
};

/** The document of a page: `{items, page: {nextCursor, limit}}`. */
export function pageSchema(title: string, item: Schema): Schema {
  return {
    title,
    type: 'object',
    required: ['items', 'page'],
    properties: {
      items: { type: 'array', items: item },
      page: {
        type: 'object',
        required: ['nextCursor', 'limit'],
        properties: {
          nextCursor: { type: ['string', 'null'], description: 'Null on the last page.' },
          limit: { type: 'integer' },
        },
      },
    },
  };
}
