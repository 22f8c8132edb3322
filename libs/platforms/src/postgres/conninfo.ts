import type { Upstream } from './answering.js';

/** Keywords of a connection string that may be stored and shown. All others (password, passfile, sslkey, options, ...) may hold secrets. */
const PUBLIC_KEYWORDS = [
  'host',
  'hostaddr',
  'port',
  'user',
  'dbname',
  'application_name',
  'sslmode',
  'target_session_attrs',
  'channel_binding',
];

/** Keywords that say how the link is made, kept when a standby is pointed elsewhere. Paths of key files, no contents. */
const LINK_KEYWORDS = [
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'sslcrl',
  'ssl_min_protocol_version',
  'channel_binding',
  'gssencmode',
  'connect_timeout',
  'keepalives',
  'keepalives_idle',
  'keepalives_interval',
  'keepalives_count',
  'tcp_user_timeout',
];

/** The value of a setting as it stands in a configuration file, without its quotes. */
export function unquoteSetting(text: string): string {
  const trimmed = text.trim();
  if (!trimmed.startsWith("'")) return trimmed;
  const end = /^'((?:[^'\\]|''|\\.)*)'/.exec(trimmed);
  return (end?.[1] ?? '').replace(/''|\\(.)/g, (all, escaped: string | undefined) => (all === "''" ? "'" : (escaped ?? '')));
}

/** libpq keyword/value pairs (section 32.1.1.1 of PostgreSQL's manual) or a URI. Unreadable parts are left out. */
export function parseConninfo(text: string): ReadonlyMap<string, string> {
  if (/^postgres(ql)?:\/\//.test(text)) return parseUri(text);
  const found = new Map<string, string>();
  for (const match of text.matchAll(/(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))/g)) {
    found.set(match[1] as string, (match[2] ?? match[3] ?? '').replace(/\\(.)/g, '$1'));
  }
  return found;
}

function parseUri(text: string): ReadonlyMap<string, string> {
  if (!URL.canParse(text)) return new Map();
  const uri = new URL(text);
  const found = new Map<string, string>([...uri.searchParams]);
  if (uri.hostname !== '') found.set('host', uri.hostname);
  if (uri.port !== '') found.set('port', uri.port);
  if (uri.username !== '') found.set('user', decodeURIComponent(uri.username));
  return found;
}

export function reduceConninfo(pairs: ReadonlyMap<string, string>): Omit<Upstream, 'slot'> {
  return {
    host: pairs.get('host') ?? pairs.get('hostaddr') ?? null,
    port: pairs.has('port') ? Number(pairs.get('port')) : null,
    applicationName: pairs.get('application_name') ?? null,
    link: LINK_KEYWORDS.flatMap((keyword) => {
      const value = pairs.get(keyword);
      return value === undefined ? [] : [`${keyword}=${quoteConninfo(value)}`];
    }).join(' '),
  };
}

/** Only the allow-listed keywords, in one order: what may be stored of a `primary_conninfo`. */
export function publicConninfo(text: string): string {
  const pairs = parseConninfo(text);
  return PUBLIC_KEYWORDS.flatMap((keyword) => (pairs.has(keyword) ? [`${keyword}=${pairs.get(keyword)}`] : [])).join(' ');
}

/** One value inside a connection string, quoted when it must be. */
export function quoteConninfo(value: string): string {
  return /^[A-Za-z0-9_.:/@-]+$/.test(value) ? value : `'${value.replace(/[\\']/g, '\\$&')}'`;
}

/** A value for a configuration file. @throws on line breaks, which no setting of ours holds. */
export function quoteSetting(value: string): string {
  if (/[\r\n]/.test(value)) throw new Error('A setting cannot hold a line break.');
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}
