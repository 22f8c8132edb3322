/** `16/B374D848` as a number of bytes. @throws on anything else: a position that was misread must not be compared. */
export function parseLsn(text: string): number {
  const parts = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (parts === null) throw new Error(`"${text}" is not a WAL position such as 16/B374D848.`);
  return parseInt(parts[1] as string, 16) * 2 ** 32 + parseInt(parts[2] as string, 16);
}

/** The inverse of `parseLsn`. */
export function formatLsn(bytes: number): string {
  return `${Math.floor(bytes / 2 ** 32)
    .toString(16)
    .toUpperCase()}/${(bytes % 2 ** 32).toString(16).toUpperCase()}`;
}
