/** The topics as one document says: `deploy/kafka/topics.yaml`. Applied by `npm run topics`, checked by services, published as AsyncAPI. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { MessagingError } from '../../errors.js';

/** Where the document lies: five folders up, from `src` as from `dist`. */
const DOCUMENT = fileURLToPath(new URL('../../../../../deploy/kafka/topics.yaml', import.meta.url));

export interface TopicPlan {
  readonly name: string;
  readonly partitions: number;
  /** Milliseconds; -1 = for ever. */
  readonly retentionMs: number;
  readonly maxMessageBytes: number;
  /** The one service that may write; also its principal's name. */
  readonly producer: string;
  /** Services that may read; each is a principal and the consumer group of that name. */
  readonly consumers: readonly string[];
}

const DAY_MS = 86_400_000;
const NAME = /^[a-z0-9._-]{1,249}$/;

/** The topics of a document. Throws `MessagingError` TOPICS_DIFFER that names the first entry that cannot be read. */
export function readTopics(file: string = DOCUMENT): readonly TopicPlan[] {
  const content = parse(readFileSync(file, 'utf8')) as { readonly topics?: unknown } | null;
  if (!Array.isArray(content?.topics) || content.topics.length === 0) throw wrong(file, 'it has no list `topics`');
  return content.topics.map((entry: unknown, index) => topicOf(entry, (what) => wrong(file, `topics[${index}]: ${what}`)));
}

function wrong(file: string, what: string): MessagingError {
  return new MessagingError('TOPICS_DIFFER', `The document of topics ${file} cannot be used: ${what}.`);
}

function topicOf(entry: unknown, fail: (what: string) => MessagingError): TopicPlan {
  const { name, partitions, retention, maxMessageBytes, producer, consumers } = entry as Readonly<Record<string, unknown>>;
  if (!isName(name)) throw fail('`name` is not the name of a topic');
  if (!isCount(partitions)) throw fail('`partitions` is not a whole number from 1');
  if (!isCount(maxMessageBytes)) throw fail('`maxMessageBytes` is not a whole number from 1');
  if (!isName(producer)) throw fail('`producer` is not a name: one service writes a topic');
  if (!Array.isArray(consumers) || !consumers.every(isName)) throw fail('`consumers` is not a list of names');
  const retentionMs = retentionOf(retention);
  if (retentionMs === undefined) throw fail('`retention` is neither `forever` nor a number of days such as `90d`');
  return { name, partitions, retentionMs, maxMessageBytes, producer, consumers };
}

function retentionOf(text: unknown): number | undefined {
  if (text === 'forever') return -1;
  const days = typeof text === 'string' ? /^([1-9]\d*)d$/.exec(text)?.[1] : undefined;
  return days === undefined ? undefined : Number(days) * DAY_MS;
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && NAME.test(value);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1;
}
