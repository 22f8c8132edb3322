import { BlockList, isIP } from 'node:net';
import { DEFAULT_SCHEDULE_MS } from '@understudy/notification-domain';
import type { Store } from '@understudy/event-log';
import { parsers, setting } from '@understudy/runtime';
import type { Runtime, Settings } from '@understudy/runtime';

export interface WebhookOptions {
  /** Host names, addresses and CIDR ranges that the admin allows although they are private, loopback or link-local. */
  readonly allow: readonly string[];
  /** Whether `http:` is allowed; else only `https:`. */
  readonly allowHttp: boolean;
  /** For one attempt, from resolving the name to the end of the answer. */
  readonly timeoutMs: number;
  /** Upper bounds of the pauses after each failed attempt; as many retries as entries. */
  readonly retryScheduleMs: readonly number[];
}

/** What a process hands to `NotificationModule.forRoot`. Whoever opened the store closes it, after the module. */
export interface NotificationConfig {
  readonly runtime: Runtime;
  readonly store: Store;
  readonly webhooks: WebhookOptions;
}

export const defaultWebhooks: WebhookOptions = {
  allow: [],
  allowHttp: false,
  timeoutMs: 15_000,
  retryScheduleMs: DEFAULT_SCHEDULE_MS,
};

const MAX_RETRIES = 30;
const MAX_PAUSE_SECONDS = 7 * 86_400;

/** Throws what is wrong with the entry; answers it otherwise. */
function allowed(entry: string): string {
  const [address = '', bits] = entry.split('/');
  const family = isIP(address);
  if (family === 0) {
    if (bits !== undefined) throw new Error(`has the range ${entry}, which does not begin with an address`);
    return parsers.host(entry);
  }
  if (bits !== undefined) new BlockList().addSubnet(address, Number(bits), family === 6 ? 'ipv6' : 'ipv4');
  return entry;
}

/** Settings of this service; the process adds those of store, runtime, listener and transport. */
export const notificationSettings = {
  allow: setting({
    name: 'WEBHOOK_ALLOW',
    describe:
      'Host names, addresses and CIDR ranges, separated by commas, that webhooks may reach although they are private or loopback',
    default: '',
    parse: (text) => parsers.list(text).map(allowed),
  }),
  allowHttp: setting({
    name: 'WEBHOOK_ALLOW_HTTP',
    describe: 'true = webhooks may go to http: addresses, unencrypted',
    default: 'false',
    parse: parsers.boolean,
  }),
  timeoutMs: setting({
    name: 'WEBHOOK_TIMEOUT_MS',
    describe: 'Longest time for one attempt, in ms',
    default: String(defaultWebhooks.timeoutMs),
    parse: parsers.integer(100, 60_000),
  }),
  retryScheduleMs: setting({
    name: 'WEBHOOK_RETRY_SCHEDULE',
    describe: 'Upper bounds of the pauses after failed attempts, in seconds, separated by commas',
    default: DEFAULT_SCHEDULE_MS.map((ms) => ms / 1_000).join(','),
    parse: (text) => {
      const seconds = parsers.list(text).map(Number);
      const wrong = seconds.length > MAX_RETRIES || seconds.some((value) => !(value >= 0 && value <= MAX_PAUSE_SECONDS));
      if (wrong) throw new Error(`must be at most ${MAX_RETRIES} numbers of seconds, each at most ${MAX_PAUSE_SECONDS}`);
      return seconds.map((value) => value * 1_000);
    },
  }),
};

/** The part of the settings that says how webhooks are sent. */
export function webhooksOf(settings: Settings<typeof notificationSettings>): WebhookOptions {
  const { allow, allowHttp, timeoutMs, retryScheduleMs } = settings;
  return { allow, allowHttp, timeoutMs, retryScheduleMs };
}
