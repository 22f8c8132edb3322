/** Bytes and microseconds per unit, as PostgreSQL's configuration files write them (`guc.c`, memory and time units). */
const BYTES: Readonly<Record<string, number>> = { B: 1, kB: 1024, MB: 1024 ** 2, GB: 1024 ** 3, TB: 1024 ** 4 };
const MICROSECONDS: Readonly<Record<string, number>> = { us: 1, ms: 1e3, s: 1e6, min: 6e7, h: 3.6e9, d: 8.64e10 };

/**
 * A value as a configuration file has it (`128MB`, `yes`, `1min`), in the form in which `pg_settings.setting` shows it:
 * `on`/`off`, or a bare number in the setting's own unit. What it cannot read stays as it is.
 */
export function normaliseSetting(text: string, type: string, unit: string | null): string {
  switch (type) {
    case 'bool':
      return normaliseBoolean(text);
    case 'integer':
    case 'real':
      return normaliseNumber(text, unit);
    case 'enum':
      return text.toLowerCase();
    default:
      return text;
  }
}

/** PostgreSQL takes any unambiguous beginning of true, false, yes, no, on, off, and 1 and 0. */
function normaliseBoolean(text: string): string {
  const lower = text.toLowerCase();
  const begins = (...words: readonly string[]): boolean => words.some((word) => word.startsWith(lower));
  if (lower === '' || lower === 'o') return text;
  if (begins('true', 'yes', 'on', '1')) return 'on';
  return begins('false', 'no', 'off', '0') ? 'off' : text;
}

function normaliseNumber(text: string, unit: string | null): string {
  const parts = /^\s*(-?(?:0x[0-9a-f]+|\d+(?:\.\d+)?))\s*([A-Za-z]*)\s*$/i.exec(text);
  if (parts === null) return text;
  const value = Number(parts[1]);
  const given = parts[2] ?? '';
  if (given === '' || unit === null) return given === '' ? String(value) : text;
  const own = /^(\d*)([A-Za-z]+)$/.exec(unit);
  const scale = BYTES[given] === undefined ? MICROSECONDS : BYTES;
  const [from, to] = [scale[given], scale[own?.[2] ?? '']];
  if (from === undefined || to === undefined) return text;
  return String(Math.round((value * from) / (to * Number(own?.[1] || '1'))));
}
