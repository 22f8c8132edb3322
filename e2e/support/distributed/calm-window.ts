/** One undisturbed window with everybody listening, played once; several promises look at it. */
import { needsBroker, type LedgerEntry } from '@understudy/testing';
import { beforeEach } from 'vitest';
import { listen, type Listener } from './kafka.js';
import { startSystem, START_LIMIT_MS, type System } from './system.js';
import { waitUntil } from './waiting.js';
import { watch, type Watcher } from './watch.js';
import { Receiver, subscriptionOf } from './webhooks.js';
import type { RecordedEvent } from './rollout.js';
import { openWindow, type PairWindow } from './window.js';

const STEP_LIMIT_MS = 300_000;
const WINDOW_LIMIT_MS = 420_000;
const STREAM_END_LIMIT_MS = 15_000;
/** Pauses between attempts are drawn below this; enough of them for more than two minutes. */
const RETRY_SCHEDULE_S = Array<number>(30).fill(10).join(',');
export const AWAY_MS = 60_000;

export interface CalmWindow {
  readonly system: System;
  readonly window: PairWindow;
  /** Exported when it had ended. */
  readonly events: readonly RecordedEvent[];
  readonly ledger: readonly LedgerEntry[];
  readonly kafka: Listener;
  readonly watchers: {
    /** From the first event, from before most of them happened. */
    readonly live: Watcher;
    /** From the first event, begun in the middle. */
    readonly late: Watcher;
    /** Left in the middle, and gone on by another from its last position. */
    readonly left: Watcher;
    readonly wentOn: Watcher;
  };
  readonly receivers: {
    /** Refuses every delivery once. */
    readonly grumpy: Receiver;
    /** Away from before the window opens; `back` settles when it listens again, a minute later. */
    readonly away: Receiver;
    readonly back: Promise<void>;
  };
}

let playing: Promise<CalmWindow> | undefined;

/** For the tests of a file: the window, played at the first need and kept for the files that come next. */
export function calmWindow(): () => CalmWindow {
  let played: CalmWindow | undefined;
  beforeEach(async (context) => {
    await needsBroker(context, async () => void (played = await (playing ??= play())));
    context.onTestFailed(() => void process.stderr.write(`${played?.system.logs() ?? ''}\n`));
  }, START_LIMIT_MS + WINDOW_LIMIT_MS);
  return () => {
    if (played === undefined) throw new Error('The window is there within tests only.');
    return played;
  };
}

async function play(): Promise<CalmWindow> {
  const webhooks = { WEBHOOK_ALLOW: '127.0.0.1', WEBHOOK_ALLOW_HTTP: 'true', WEBHOOK_RETRY_SCHEDULE: RETRY_SCHEDULE_S };
  const system = await startSystem({ traced: true, settings: { notification: webhooks } });
  try {
    return await perform(system);
  } catch (error) {
    process.stderr.write(`${system.logs()}\n`);
    await system.close().catch(() => undefined);
    throw error;
  }
}

async function perform(system: System): Promise<CalmWindow> {
  const kafka = await listen(system.stage.broker.client('somebody-else'));
  system.undo.defer('Kafka consumer', () => kafka.stop());
  const receivers = await receiversOf(system, 'calm');
  const window = await openWindow(system, { slug: 'calm' });
  const client = system.rpc(system.stage.services.orchestrator);
  const live = watch(client, window.rolloutId);
  const left = watch(client, window.rolloutId);
  const { stepId } = await window.step('drain');
  await window.requested(stepId, STEP_LIMIT_MS);
  const late = watch(client, window.rolloutId);
  left.leave();
  const wentOn = watch(client, window.rolloutId, left.events().at(-1)?.position ?? 0);
  await window.closed(WINDOW_LIMIT_MS);
  const ledger = await window.endLoad();
  const events = await window.events();
  const watchers = { live, late, left, wentOn };
  for (const [name, watcher] of Object.entries(watchers)) {
    let ended = false;
    void watcher.ended.then(
      () => (ended = true),
      () => (ended = true),
    );
    await waitUntil(`the stream of watcher ${name} to end with the rollout`, STREAM_END_LIMIT_MS, () => ended);
  }
  return { system, window, events, ledger, kafka, watchers, receivers };
}

async function receiversOf({ rest, undo }: System, cluster: string): Promise<CalmWindow['receivers']> {
  const grumpy = await Receiver.start((attempt) => (attempt === 1 ? 503 : 204));
  const away = await Receiver.start();
  undo.defer('receivers', async () => {
    clearTimeout(timer);
    await Promise.all([grumpy.goAway(), away.goAway()]);
  });
  for (const receiver of [grumpy, away]) await rest.post('/v1/subscriptions', subscriptionOf(receiver, [cluster]));
  await away.goAway();
  let timer: NodeJS.Timeout | undefined;
  const back = new Promise<void>((resolve, reject) => {
    timer = setTimeout(() => void away.comeBack().then(resolve, reject), AWAY_MS);
  });
  return { grumpy, away, back };
}
