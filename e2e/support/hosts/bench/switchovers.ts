/** What a client waits when the workload moves: by the product, and by a bare `POST /switchover`, in turns, in one room. */
import { measure } from '@understudy/testing/outside';
import { LOAD_INTERVAL_MS, Room } from '../room.js';
import { Hand } from './hand.js';

const WINDOW_LIMIT_MS = 300_000;
/** From the request to the time when the client has surely written again. */
const AFTER_MS = 1_000;

interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Switchovers {
  readonly byProductMs: readonly number[];
  readonly bareMs: readonly number[];
  readonly lost: number;
}

/** @param count of each; even, for a test moves there and back. */
export async function switchovers(count: number, say: (line: string) => void): Promise<Switchovers> {
  const room = await Room.open({ made: [], installed: [] });
  try {
    const hand = await Hand.on(room);
    const [a, b] = room.hosts.map(({ name }) => name) as [string, string];
    const spans: { byProduct: Span[]; bare: Span[] } = { byProduct: [], bare: [] };
    for (let round = 0; round < count / 2; round += 1) {
      spans.byProduct.push(...(await byTest(room)));
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const)
        spans.bare.push(await bare(hand, from, to));
      say(`${2 * (round + 1)} of ${count} switchovers`);
    }
    const ledger = await room.endLoad();
    const gaps = (each: readonly Span[]): readonly number[] =>
      each.map((span) => measure(ledger, LOAD_INTERVAL_MS, span).longestGapMs);
    return { byProductMs: gaps(spans.byProduct), bareMs: gaps(spans.bare), lost: await room.lostWrites(ledger) };
  } finally {
    await room.close();
  }
}

/** A test of the switchover, there and back: two spans. */
async function byTest(room: Room): Promise<readonly Span[]> {
  const rollout = await room.window([{ name: 'openssl', targetVersion: room.newest('openssl') }], {}, 'switchover-test');
  const closed = await rollout.closed(WINDOW_LIMIT_MS);
  if (closed.body['result'] !== 'succeeded') throw new Error(`The test ended as ${String(closed.body['result'])}.`);
  const moves = new Set((await rollout.steps()).flatMap(({ kind, stepId }) => (kind === 'switchover' ? [stepId] : [])));
  const events = await rollout.events();
  return [...moves].map((move) => {
    const [first, last] = ['StepRequested', 'StepSucceeded'].map((type) =>
      events.find((event) => event.type === type && event.body['stepId'] === move),
    );
    if (first === undefined || last === undefined) throw new Error(`Step ${move} was not recorded whole.`);
    return { fromMs: Date.parse(first.time), toMs: Date.parse(last.time) + AFTER_MS };
  });
}

async function bare(hand: Hand, from: string, to: string): Promise<Span> {
  const fromMs = Date.now();
  await hand.does('switchover', from, to);
  await new Promise((resolve) => setTimeout(resolve, AFTER_MS));
  return { fromMs, toMs: Date.now() };
}
