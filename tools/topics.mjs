#!/usr/bin/env node
/**
 * `npm run topics`: prints how the Kafka of KAFKA_BROKERS differs from deploy/kafka/topics.yaml; with `--apply` creates the topics
 * and rights that are missing. Nothing is deleted and nothing that exists is changed. Exit code 0 = as the document says, 1 = it
 * differs, 2 = it could not be found out.
 */
import { parseArgs } from 'node:util';
import { applyTopics, compareTopics, readTopics } from '@understudy/messaging';
import { kafkaConnection, kafkaSettings, parseSettings, settingsHelp } from '@understudy/runtime';

const TITLE = `Compares the topics and rights of a Kafka with deploy/kafka/topics.yaml.

  npm run topics -- [options]

  --apply        creates what is missing: topics, and where there is an authorizer, rights. Never deletes, never changes
  --file PATH    another document
  --help         this text

Exit code: 0 all is as the document says, 1 it differs, 2 it could not be found out. The principal needs the right to create and to
describe topics and rights; services need none of that.`;

const say = (line) => void process.stdout.write(`${line}\n`);

async function main(args) {
  const { values } = parseArgs({
    args,
    options: { apply: { type: 'boolean' }, file: { type: 'string' }, help: { type: 'boolean' } },
  });
  if (values.help) {
    say(settingsHelp(TITLE, kafkaSettings));
    return 0;
  }
  const connection = kafkaConnection(parseSettings(kafkaSettings, process.env));
  const kafka = { ...connection, clientId: 'understudy-topics' };
  const plan = readTopics(values.file);
  const { missing, differing, notes } = await (values.apply ? applyTopics : compareTopics)(kafka, plan);
  for (const one of missing) say(`${values.apply ? 'created, because' : 'missing:'} ${one}`);
  for (const one of differing) say(`differs: ${one}`);
  for (const one of notes) say(`note: ${one}`);
  const left = differing.length + (values.apply ? 0 : missing.length);
  say(left === 0 ? `${plan.length} topics are as the document says` : `${left} differences`);
  return left === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2)).catch((error) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  return 2;
});
