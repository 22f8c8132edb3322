/** Words as a shell splits them, without what a shell would put in; a `#` at the beginning of a word ends the line. @throws Error on an open quote. */
export function wordsOf(line: string): readonly string[] {
  const words: string[] = [];
  const rest = line.trim();
  const piece = /"((?:[^"\\]|\\.)*)"|'([^']*)'|\\(.)|([^\s"'\\]+)|(\s+)|(["'\\])/gy;
  let word: string | null = null;
  for (let match = piece.exec(rest); match !== null; match = piece.exec(rest)) {
    const [, double, single, escaped, plain, space, open] = match;
    if (open !== undefined) throw new Error(`A quote is not closed: ${rest}`);
    if (space !== undefined) {
      if (word !== null) words.push(word);
      word = null;
      continue;
    }
    if (word === null && plain?.startsWith('#') === true) return words;
    word = (word ?? '') + (double?.replace(/\\(["\\$`])/g, '$1') ?? single ?? escaped ?? plain ?? '');
  }
  return word === null ? words : [...words, word];
}
