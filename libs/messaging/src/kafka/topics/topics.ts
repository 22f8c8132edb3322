/** Compares a cluster's topics with the document, and creates what is missing. Never deletes, never changes what exists. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Admin } from 'kafkajs';
import kafkajs from 'kafkajs';
import { MessagingError } from '../../errors.js';
import { withAdmin } from '../admin.js';
import type { KafkaOptions } from '../options.js';
import { type Right, missingRights, rightsOf, surplusWriters, toAclEntry } from './rights.js';
import type { TopicPlan } from './document.js';

const COMPARE_LIMIT_MS = 30_000;
const SEEN_LIMIT_MS = 15_000;
const POLL_MS = 50;
const BROKERS_DEFAULT = -1;

export interface TopicsReport {
  /** What `apply` creates, one sentence each. */
  readonly missing: readonly string[];
  /** What exists and differs: for a person, with what to do. */
  readonly differing: readonly string[];
  /** What could not be looked at, and why. */
  readonly notes: readonly string[];
}

interface Comparison extends TopicsReport {
  readonly topics: readonly TopicPlan[];
  readonly rights: readonly Right[];
}

/** How the cluster differs from the plan. */
export async function compareTopics(options: KafkaOptions, plan: readonly TopicPlan[]): Promise<TopicsReport> {
  const work = async (admin: Admin): Promise<TopicsReport> => reportOf(await compare(admin, plan));
  return await withAdmin(options, { what: 'Comparing the topics', limitMs: COMPARE_LIMIT_MS, work });
}

/** Creates the topics and rights that are missing; answers what had been missing, and what remains for a person. */
export async function applyTopics(options: KafkaOptions, plan: readonly TopicPlan[]): Promise<TopicsReport> {
  const work = async (admin: Admin): Promise<TopicsReport> => {
    const found = await compare(admin, plan);
    if (found.topics.length > 0) {
      // The library's own wait takes "not known here yet", which a fresh topic answers for a moment, for a failure.
      await admin.createTopics({ waitForLeaders: false, topics: found.topics.map(toTopicConfig) });
    }
    if (found.rights.length > 0) await admin.createAcls({ acl: found.rights.map(toAclEntry) });
    if (found.missing.length > 0) await canBeSeen(admin, plan, found.topics);
    return reportOf(found);
  };
  return await withAdmin(options, { what: 'Applying the topics', limitMs: COMPARE_LIMIT_MS, work });
}

/** Throws `MessagingError` TOPICS_DIFFER with every difference that would keep a service from working. Needs no right but its own. */
export async function checkTopics(options: KafkaOptions, plan: readonly TopicPlan[], limitMs: number): Promise<void> {
  const differences = [...(await topicDifferences(options, plan, limitMs)).values()];
  if (differences.length === 0) return;
  throw new MessagingError(
    'TOPICS_DIFFER',
    `Kafka at ${options.brokers.join(', ')} has not the topics that this service needs:\n${differences.map((one) => `  - ${one}`).join('\n')}\nRun \`npm run topics\` to see all differences, and \`npm run topics -- --apply\` to create what is missing.`,
  );
}

/**
 * Each topic that would keep a service from working, and how it differs. Rejects with `MessagingError` BROKER_AWAY without an answer
 * within `limitMs`, TOPIC_REFUSED if the broker refuses this principal.
 */
export async function topicDifferences(
  options: KafkaOptions,
  plan: readonly TopicPlan[],
  limitMs: number,
): Promise<ReadonlyMap<string, string>> {
  const names = plan.map(({ name }) => name);
  const existing = await withAdmin(options, {
    what: 'Checking the topics',
    limitMs,
    work: (admin) => partitionsOf(admin, names),
  });
  const differences = new Map<string, string>();
  for (const topic of plan) {
    const difference = shapeDifference(topic, existing.get(topic.name));
    if (difference !== undefined) differences.set(topic.name, difference);
  }
  return differences;
}

async function compare(admin: Admin, plan: readonly TopicPlan[]): Promise<Comparison> {
  const existing = await partitionsOf(
    admin,
    plan.map(({ name }) => name),
  );
  const topics = plan.filter(({ name }) => !existing.has(name));
  const present = plan.filter(({ name }) => existing.has(name));
  const differing = present.flatMap((topic) => shapeDifference(topic, existing.get(topic.name)) ?? []);
  const settings = present.length === 0 ? [] : await settingDifferences(admin, present);
  const rights = await compareRights(admin, plan);
  return {
    topics,
    rights: rights.missing,
    missing: [
      ...topics.map(({ name, partitions }) => `the topic ${name} with ${partitions} partitions does not exist`),
      ...rights.missing.map((right) => `the right does not exist: ${sentence(right)}`),
    ],
    differing: [...differing, ...settings, ...rights.surplus],
    notes: rights.notes,
  };
}

/** A broker answers a creation before it shows it. Returns when every new topic has its leaders and every right is listed. */
async function canBeSeen(admin: Admin, plan: readonly TopicPlan[], made: readonly TopicPlan[]): Promise<void> {
  const names = made.map(({ name }) => name);
  const deadline = performance.now() + SEEN_LIMIT_MS;
  for (;;) {
    const leading = await partitionsOf(admin, names);
    const lead = made.every(({ name, partitions }) => leading.get(name) === partitions);
    const missing = lead ? (await compareRights(admin, plan)).missing.map(sentence) : names;
    if (missing.length === 0) return;
    if (performance.now() > deadline)
      throw new Error(`what was created could not be seen within ${SEEN_LIMIT_MS} ms: ${missing.join('; ')}`);
    await delay(POLL_MS);
  }
}

const reportOf = ({ missing, differing, notes }: Comparison): TopicsReport => ({ missing, differing, notes });

/** Partitions that have a leader, of those of these topics that exist. */
async function partitionsOf(admin: Admin, names: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  // One by one: the question for several topics fails as a whole if one does not exist.
  for (const name of names) {
    try {
      const { topics } = await admin.fetchTopicMetadata({ topics: [name] });
      found.set(name, topics[0]?.partitions.filter(({ leader }) => leader >= 0).length ?? 0);
    } catch (error) {
      if ((error as { readonly type?: string }).type !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error;
    }
  }
  return found;
}

function shapeDifference({ name, partitions }: TopicPlan, actual: number | undefined): string | undefined {
  if (actual === undefined) return `the topic ${name} does not exist, or this principal may not see it`;
  if (actual === partitions) return undefined;
  return `the topic ${name} has ${actual} partitions that work, not ${partitions}: another number would move keys and break their order, so choose which is right and change the document or make the topic anew`;
}

async function settingDifferences(admin: Admin, plan: readonly TopicPlan[]): Promise<readonly string[]> {
  const configNames = ['retention.ms', 'max.message.bytes', 'cleanup.policy'];
  const type = kafkajs.ConfigResourceTypes.TOPIC;
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: plan.map(({ name }) => ({ type, name, configNames })),
  });
  return plan.flatMap((topic) => {
    const entries = resources.find(({ resourceName }) => resourceName === topic.name)?.configEntries ?? [];
    return Object.entries(settingsOf(topic)).flatMap(([name, wanted]) => {
      const actual = entries.find(({ configName }) => configName === name)?.configValue;
      if (actual === undefined || actual === wanted) return [];
      return [
        `the topic ${topic.name} has ${name} ${actual}, not ${wanted}: change it with your Kafka's own tools, or the document`,
      ];
    });
  });
}

const settingsOf = ({ retentionMs, maxMessageBytes }: TopicPlan): Readonly<Record<string, string>> => ({
  'retention.ms': String(retentionMs),
  'max.message.bytes': String(maxMessageBytes),
  'cleanup.policy': 'delete',
});

function toTopicConfig(topic: TopicPlan) {
  return {
    topic: topic.name,
    numPartitions: topic.partitions,
    replicationFactor: BROKERS_DEFAULT,
    configEntries: Object.entries(settingsOf(topic)).map(([name, value]) => ({ name, value })),
  };
}

interface RightsComparison {
  readonly missing: readonly Right[];
  readonly surplus: readonly string[];
  readonly notes: readonly string[];
}

async function compareRights(admin: Admin, plan: readonly TopicPlan[]): Promise<RightsComparison> {
  try {
    const found = await missingRights(admin, rightsOf(plan));
    return { missing: found, surplus: await surplusWriters(admin, plan), notes: [] };
  } catch (error) {
    if ((error as { readonly type?: string }).type !== 'SECURITY_DISABLED') throw error;
    const note =
      'this Kafka has no authorizer: rights are neither compared nor created, and whoever reaches it may publish anything';
    return { missing: [], surplus: [], notes: [note] };
  }
}

function sentence({ principal, operation, resource, name }: Right): string {
  return `${principal} may ${operation} ${resource} ${name}`;
}
