import type { HandRun, WindowRun } from './pairs.js';
import type { Switchovers } from './switchovers.js';

const MOST_TOTAL_RATIO = 1.15;
const MOST_MORE_WAIT_MS = 300;
/** The partner has to be as fast as its parts. */
const MOST_HAND_RATIO = 1.1;

interface Target {
  readonly what: string;
  readonly measured: number;
  readonly most: number;
}

/** Pure: what was measured, for docs/performance-hosts.md, and whether it is what it should be. */
export function pageOf(
  pairs: readonly { readonly product: WindowRun; readonly hand: HandRun }[],
  { byProductMs, bareMs, lost }: Switchovers,
  machine: string,
): { readonly page: string; readonly isMet: boolean } {
  const targets: readonly Target[] = [
    {
      what: 'total time against the hand, median ratio of the pairs',
      measured: median(pairs.map(({ product, hand }) => product.totalMs / hand.totalMs)),
      most: MOST_TOTAL_RATIO,
    },
    {
      what: 'the hand against the sum of its parts alone, median',
      measured: median(pairs.map(({ hand }) => hand.totalMs / hand.sumOfPartsMs)),
      most: MOST_HAND_RATIO,
    },
    {
      what: 'interruption by a switchover beyond that of a bare one, milliseconds between the medians',
      measured: median(byProductMs) - median(bareMs),
      most: MOST_MORE_WAIT_MS,
    },
    { what: 'acknowledged writes lost', measured: lost + pairs.reduce((sum, { product }) => sum + product.lost, 0), most: 0 },
  ];
  const rows = pairs.map(({ product, hand }, index) =>
    [
      index + 1,
      seconds(product.totalMs),
      seconds(hand.totalMs),
      (product.totalMs / hand.totalMs).toFixed(2),
      seconds(hand.sumOfPartsMs),
      `${product.longestGapMs} ms`,
      `${hand.longestGapMs} ms`,
      `${product.lost} / ${hand.lost}`,
    ].join(' | '),
  );
  const page = `# Performance on hosts

Measured by \`npm run bench:hosts -- --write\`. ${machine}. Trust the ratios: each partner ran in the same run, in turns.

## A window against the hand

Three Debian hosts with PostgreSQL under Patroni; postgresql-15, openssl and a package that wants a reboot on each, a switchover test there
and back, standbys first, a client that writes every 20 ms. By hand: \`bench/hosts/by-hand.sh\`. Each on hosts of its own.

| pair | product | by hand | ratio | parts of the hand alone | longest gap, product | by hand | lost writes, product / hand |
| --- | --- | --- | --- | --- | --- | --- | --- |
${rows.map((row) => `| ${row} |`).join('\n')}

## A switchover against a bare one

${byProductMs.length} by the product and ${bareMs.length} by \`POST /switchover\`, in turns, in one cluster. What the client waited, in milliseconds:

|  | median | shortest | longest |
| --- | --- | --- | --- |
| by the product | ${spread(byProductMs)} |
| bare | ${spread(bareMs)} |

${targets.map(({ what, measured, most }) => `- ${what}: **${Number(measured.toFixed(2))}** (at most ${most}: ${measured <= most ? 'met' : 'MISSED'})`).join('\n')}
`;
  return { page, isMet: targets.every(({ measured, most }) => measured <= most) };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.ceil((sorted.length - 1) / 2)]];
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2;
}

function spread(values: readonly number[]): string {
  return [median(values), Math.min(...values), Math.max(...values)].map((value) => value.toFixed(0)).join(' | ');
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
