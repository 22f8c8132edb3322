/** `npm run bench:hosts`: the product against the hand, on hosts of their own. */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { REPOSITORY } from '../../product.js';
import { pageOf } from './page.js';
import { byHand, byProduct, type HandRun, type WindowRun } from './pairs.js';
import { switchovers } from './switchovers.js';

const HELP = `npm run bench:hosts [-- OPTIONS]

Three hosts with PostgreSQL under Patroni, patched by apt and rebooted, under a client that writes: windows by the product against windows
by bench/hosts/by-hand.sh, in turns; then switchovers by the product against bare POST /switchover, in turns. Needs what e2e:hosts needs.

  --pairs N          pairs of windows (5)
  --switchovers N    switchovers of each, an even number (20)
  --write            keeps the figures in docs/performance-hosts.md
`;
const MOST = 100;
const PAGE = join(REPOSITORY, 'docs/performance-hosts.md');

/** @returns the exit code: 0 all targets met, 1 one missed, 2 not understood. */
export async function main(words: readonly string[]): Promise<number> {
  const say = (line: string): void => console.log(line);
  const wanted = understood(words);
  if (typeof wanted === 'string') {
    say(wanted);
    return wanted === HELP ? 0 : 2;
  }
  const pairs: { readonly product: WindowRun; readonly hand: HandRun }[] = [];
  for (let round = 0; round < wanted.pairs; round += 1) {
    // Who goes first changes, so that neither always has the warmer machine.
    const [first, second] = round % 2 === 0 ? [byProduct, byHand] : [byHand, byProduct];
    const [one, other] = [await first(), await second()];
    const [product, hand] = (round % 2 === 0 ? [one, other] : [other, one]) as [WindowRun, HandRun];
    say(
      `pair ${round + 1}: ${seconds(product.totalMs)} by the product, ${seconds(hand.totalMs)} by hand (its parts alone ${seconds(hand.sumOfPartsMs)})`,
    );
    pairs.push({ product, hand });
  }
  const moved = await switchovers(wanted.switchovers, say);
  const { page, isMet } = pageOf(
    pairs,
    moved,
    `Node ${process.versions.node}, ${cpus().length} cores, hosts on the same machine`,
  );
  say(page);
  if (wanted.write) writeFileSync(PAGE, page);
  return isMet ? 0 : 1;
}

function understood(words: readonly string[]): { pairs: number; switchovers: number; write: boolean } | string {
  try {
    const { values } = parseArgs({
      args: [...words],
      options: {
        pairs: { type: 'string', default: '5' },
        switchovers: { type: 'string', default: '20' },
        write: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) return HELP;
    const [pairs, count] = [Number(values.pairs), Number(values.switchovers)];
    const isFine = [pairs, count].every((number) => Number.isInteger(number) && number >= 1 && number <= MOST);
    if (!isFine || count % 2 !== 0) return `Give whole numbers from 1 to ${MOST}, and an even one of switchovers.\n\n${HELP}`;
    return { pairs, switchovers: count, write: values.write };
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)}\n\n${HELP}`;
  }
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(0)} s`;
}
