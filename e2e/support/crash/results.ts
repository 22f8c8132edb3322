/** What windows came to, on disk: a run of many of them that was interrupted goes on where it stopped. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Turn, Wanted } from './options.js';
import type { WindowEnd } from './window.js';

/** One file. */
interface Kept {
  /** Of the code that played it. */
  readonly build: string;
  readonly cells: Turn['cells'];
  readonly end: WindowEnd;
}

export class Results {
  /** @param folder is made; undefined = nothing is kept. @param build only windows of this one count. */
  constructor(
    private readonly folder: string | undefined,
    private readonly build: string,
    private readonly of: Pick<Wanted, 'extent' | 'victim'>,
  ) {
    if (folder !== undefined) mkdirSync(folder, { recursive: true });
  }

  /** How a window ended that was played before by the same build, with the same cells and without a problem. */
  known(turn: Turn): WindowEnd | undefined {
    if (this.folder === undefined || !existsSync(this.file(turn))) return undefined;
    const { build, cells, end } = JSON.parse(readFileSync(this.file(turn), 'utf8')) as Kept;
    const isIt = build === this.build && JSON.stringify(cells) === JSON.stringify(turn.cells) && end.problems.length === 0;
    return isIt ? end : undefined;
  }

  /** One that failed stays beside what comes after it, and is never overwritten. */
  keep(turn: Turn, end: WindowEnd): void {
    if (this.folder === undefined) return;
    const failed = end.problems.length > 0;
    const file = failed ? this.file(turn, `.failed-${this.failures(turn) + 1}`) : this.file(turn);
    writeFileSync(`${file}.new`, JSON.stringify({ build: this.build, cells: turn.cells, end } satisfies Kept));
    renameSync(`${file}.new`, file);
  }

  /** How often a window of these failed, ever, whatever came later. */
  failures({ plan, number }: Turn): number {
    const name = new RegExp(`^${this.name({ plan, number })}[.]failed-\\d+[.]json$`);
    return this.folder === undefined ? 0 : readdirSync(this.folder).filter((file) => name.test(file)).length;
  }

  private file(turn: Turn, mark = ''): string {
    return join(this.folder ?? '', `${this.name(turn)}${mark}.json`);
  }

  private name({ plan, number }: Pick<Turn, 'plan' | 'number'>): string {
    return `${this.of.extent}-${this.of.victim}-${plan}-${number}`;
  }
}

const BUILT = /(?:^|\/)dist\/.*[.]js$|[.](?:mjs|sh|sql)$/;

/** Says of two runs whether they are of the same code: a digest of all that was built, and of what runs as it lies there. */
export function buildOf(repository: string): string {
  const digest = createHash('sha256');
  for (const part of ['libs', 'services', 'practice', 'e2e']) {
    const names = (readdirSync(join(repository, part), { recursive: true }) as string[]).filter(
      (name) => BUILT.test(name) && !name.includes('node_modules'),
    );
    for (const name of names.sort()) digest.update(`${part}/${name}\0`).update(readFileSync(join(repository, part, name)));
  }
  return digest.digest('hex');
}
