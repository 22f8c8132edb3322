/** One window by the product and one by hand, each on three hosts that were made for it alone: the same packages, reboots, steps and client. */
import { measure } from '@understudy/testing/outside';
import { LOAD_INTERVAL_MS, Room } from '../room.js';
import { Hand } from './hand.js';

const WINDOW_LIMIT_MS = 900_000;

/** A package that wants a reboot. */
const FIRMWARE = [
  { name: 'firmware', version: '1.0' },
  { name: 'firmware', version: '2.0', postinst: 'touch /run/reboot-required' },
];

export interface WindowRun {
  readonly totalMs: number;
  readonly longestGapMs: number;
  readonly lost: number;
}

export interface HandRun extends WindowRun {
  /** The parts of the same script, each timed alone afterwards, as often as the script does it. */
  readonly sumOfPartsMs: number;
}

export async function byProduct(): Promise<WindowRun> {
  return inRoom(async (room) => {
    const begunAt = Date.now();
    const rollout = await room.window(itemsOf(room));
    const closed = await rollout.closed(WINDOW_LIMIT_MS);
    if (closed.body['result'] !== 'succeeded') throw new Error(`The window ended as ${String(closed.body['result'])}.`);
    const totalMs = Date.parse(closed.time) - begunAt;
    return { totalMs, ...(await clientOf(room)) };
  });
}

export async function byHand(): Promise<HandRun> {
  return inRoom(async (room) => {
    await room.killProduct();
    const hand = await Hand.on(room);
    const [leader, first, second] = room.hosts.map(({ name }) => name) as [string, string, string];
    const packages = itemsOf(room).map(({ name, targetVersion }) => `${name}=${targetVersion}`);
    const totalMs = await hand.does('window', leader, first, second, ...packages);
    const client = await clientOf(room);
    return { totalMs, ...client, sumOfPartsMs: await partsOf(hand, [leader, first, second], packages) };
  });
}

/** The window leaves `first` leading. What was installed is installed again: the same files are unpacked, and the same scripts run. */
async function partsOf(
  hand: Hand,
  [leader, first, second]: [string, string, string],
  packages: readonly string[],
): Promise<number> {
  const aptMs = await hand.does('apt', second, '--reinstall', ...packages);
  const rebootMs = await hand.does('reboot', second);
  const switchoverMs = await hand.does('switchover', first, leader);
  const checkMs = await hand.does('check', second);
  return 3 * (aptMs + rebootMs + switchoverMs) + 6 * checkMs + 3 * SOAK_MS;
}

/** As in the playbook of the room. */
const SOAK_MS = 1_000;

async function inRoom<T>(play: (room: Room) => Promise<T>): Promise<T> {
  const room = await Room.open({ made: FIRMWARE, installed: ['firmware=1.0'] });
  try {
    return await play(room);
  } finally {
    await room.close();
  }
}

function itemsOf(room: Room): readonly { readonly name: string; readonly targetVersion: string }[] {
  const upgrades = ['postgresql-15', 'openssl'].map((name) => ({ name, targetVersion: room.newest(name) }));
  return [...upgrades, { name: 'firmware', targetVersion: '2.0' }];
}

async function clientOf(room: Room): Promise<Pick<WindowRun, 'longestGapMs' | 'lost'>> {
  const ledger = await room.endLoad();
  return { longestGapMs: measure(ledger, LOAD_INTERVAL_MS).longestGapMs, lost: await room.lostWrites(ledger) };
}
