/** `FIRST n (a, b)`, `ANY n (a, b)`, `n (a, b)`, `a, b` or empty. Names without quotes are folded to lower case. */
export interface SynchronousNames {
  readonly method: 'FIRST' | 'ANY';
  readonly needed: number;
  readonly names: readonly string[];
}

export function parseSynchronousNames(text: string): SynchronousNames {
  const form = /^\s*(?:(FIRST|ANY)\s+)?(\d+)\s*\((.*)\)\s*$/is.exec(text);
  const list = form === null ? text : (form[3] as string);
  const names = [...list.matchAll(/"((?:[^"]|"")*)"|([^\s,"]+)/g)].map((match) =>
    match[1] === undefined ? (match[2] as string).toLowerCase() : match[1].replaceAll('""', '"'),
  );
  return {
    method: form?.[1]?.toUpperCase() === 'ANY' ? 'ANY' : 'FIRST',
    needed: names.length === 0 ? 0 : Number(form?.[2] ?? 1),
    names,
  };
}

export function formatSynchronousNames({ method, needed, names }: SynchronousNames): string {
  if (needed === 0 || names.length === 0) return '';
  return `${method} ${needed} (${names.map((name) => (name === '*' ? '*' : `"${name.replaceAll('"', '""')}"`)).join(', ')})`;
}
