/** What must never be printed: by the name of a field, by the look of a text, and by value once a secret has been resolved. */

const SECRET_KEY = /pass(word|phrase|wd)?$|secret|token$|authorization|cookie|credential|private_?key|api_?key|signing_?key/i;
const SECRET_TEXT: readonly (readonly [RegExp, string])[] = [
  [/\b(whsec_|understudy_)[A-Za-z0-9+/=_-]{8,}/g, '$1[redacted]'],
  [/\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]{8,}/gi, '$1 [redacted]'],
  [/([a-z][a-z0-9+.-]*:\/\/[^\s:/@"']*):[^\s@"']+@/gi, '$1:[redacted]@'],
  // Connection strings, settings and the environment.
  [
    /\b(\w*(?:password|passwd|passphrase))(\s*=\s*)('(?:[^'\\]|\\.|'')*'|\\?"(?:[^"\\]|\\.)*?\\?"|[^\s'",;)]+)/gi,
    '$1$2[redacted]',
  ],
  // JSON, also inside of JSON, and YAML.
  [/\b(\w*(?:password|passwd|passphrase)(?:\\?["'])?\s*:\s*)(\\?["'])(?:(?!\2).)*\2/gi, '$1$2[redacted]$2'],
  [/\b(\w*(?:password|passwd|passphrase)\s*:\s+)[^\s'",;)}\]\\[]+/gi, '$1[redacted]'],
  // Arguments of processes; without the dashes it may be a sentence, such as "password authentication failed".
  [/(--?[\w-]*(?:password|passwd|passphrase))(\s+)(\S+)/gi, '$1$2[redacted]'],
  // Redis, Sentinel and keepalived.
  [/\b(requirepass|masterauth|auth_pass)(\s+)(\S+)/gi, '$1$2[redacted]'],
  [/\b(auth-pass)(\s+\S+\s+)(\S+)/gi, '$1$2[redacted]'],
];
const MAX_DEPTH = 8;
const LEAST_LENGTH = 6;
const MAX_VALUES = 10_000;

const values = new Set<string>();

/** From now on this very value is blotted out of every log line. Values shorter than 6 characters would blot out innocent text and are not kept. */
export function registerSecret(value: string): void {
  if (value.length >= LEAST_LENGTH && values.size < MAX_VALUES) values.add(value);
}

/** Blots secrets out of a text: passwords in URLs and connection strings, bearer tokens, signing keys, registered values. */
export function redactText(text: string): string {
  let clean = text;
  for (const value of values) if (clean.includes(value)) clean = clean.replaceAll(value, '[redacted]');
  for (const [pattern, replacement] of SECRET_TEXT) clean = clean.replace(pattern, replacement);
  return clean;
}

/** A copy with secret fields replaced; deeper than 8 levels is cut off. */
export function redactFields(value: unknown, depth = 0): unknown {
  if (value instanceof Error || value === null || typeof value !== 'object') return value;
  if (depth >= MAX_DEPTH) return '[too deep]';
  if (Array.isArray(value)) return value.map((item) => redactFields(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, SECRET_KEY.test(key) ? '[redacted]' : redactFields(item, depth + 1)]),
  );
}
