/**
 * The AsyncAPI document of the topics, made of what is there anyway: `deploy/kafka/topics.yaml` says who writes and reads what, the
 * descriptors of the published language say the payloads, the comments in `proto/` say what they mean. Nothing is written twice.
 * Kept as `docs/asyncapi.yaml`; `tools/asyncapi.spec.ts` compares, and writes it anew with UPDATE_ASYNCAPI=1.
 */
import { type DescField, type DescFile, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { drift, inventory, notification, orchestrator } from '@understudy/contracts';
import type { TopicPlan } from '@understudy/messaging';
import { read } from './workspace.js';

type Json = { readonly [key: string]: unknown };

const FILES: Readonly<Record<string, DescFile>> = {
  inventory: inventory.file_understudy_inventory_v1_events,
  drift: drift.file_understudy_drift_v1_events,
  orchestrator: orchestrator.file_understudy_orchestrator_v1_events,
  notification: notification.file_understudy_notification_v1_events,
};

/** What a .proto file says in comments: above `package` under that word, above a message under its name, above a field under `Message.field_name`. */
export type Comments = ReadonlyMap<string, string>;

/** Comments directly above, or behind on the same line. Our event files nest no messages. */
export function commentsOf(proto: string): Comments {
  const found = new Map<string, string>();
  let above: string[] = [];
  let message = '';
  for (const line of proto.split('\n').map((text) => text.trim())) {
    if (line.startsWith('//')) {
      above.push(line.slice(2).trim());
      continue;
    }
    const opened = /^(?:message (\w+) \{|(package) )/
      .exec(line)
      ?.slice(1)
      .find((name) => name !== undefined);
    const field = /(\w+) = \d+;\s*(?:\/\/\s*(.*))?$/.exec(line);
    if (opened !== undefined) message = opened;
    const name = opened ?? (field === null ? undefined : `${message}.${field[1]}`);
    const text = [...above, ...(field?.[2] === undefined ? [] : [field[2]])].join(' ');
    if (name !== undefined && text !== '') found.set(name, text);
    above = [];
  }
  return found;
}

/** The CloudEvents type of a message, and what it means: its comment is `type <type>[: <meaning>]`. Undefined = no event. */
function eventOf(comment: string | undefined): { readonly type: string; readonly meaning: string } | undefined {
  const found = /^type (understudy\.[a-z]+\.[a-z0-9-]+\.v\d+)[.:]?\s*(.*)$/.exec(comment ?? '');
  return found === null ? undefined : { type: found[1]!, meaning: found[2]! };
}

const ref = (path: string): Json => ({ $ref: `#/${path}` });
const schemaName = ({ typeName }: DescMessage): string => typeName.replace(/^understudy\./, '').replace(/\.v1\./, '.');

const WELL_KNOWN: Readonly<Record<string, Json>> = {
  'google.protobuf.Timestamp': { type: 'string', format: 'date-time' },
  'google.protobuf.Struct': { type: 'object' },
  'google.protobuf.Value': {},
};

/** JSON form of a scalar: protobuf documentation, "ProtoJSON format"; 64-bit integers are text. */
function scalarSchema(scalar: ScalarType): Json {
  switch (scalar) {
    case ScalarType.BOOL:
      return { type: 'boolean' };
    case ScalarType.STRING:
      return { type: 'string' };
    case ScalarType.BYTES:
      return { type: 'string', contentEncoding: 'base64' };
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      return { type: 'number' };
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return { type: 'string', pattern: '^-?\\d+$' };
    case ScalarType.INT32:
    case ScalarType.UINT32:
    case ScalarType.SINT32:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return { type: 'integer' };
  }
}

type OneValue = {
  readonly message?: DescMessage | undefined;
  readonly enum?: { readonly values: readonly { readonly name: string }[] } | undefined;
  readonly scalar?: ScalarType | undefined;
};

function valueSchema({ message, enum: choices, scalar }: OneValue): Json {
  if (message !== undefined) return WELL_KNOWN[message.typeName] ?? ref(`components/schemas/${schemaName(message)}`);
  if (choices !== undefined) return { type: 'string', enum: choices.values.map(({ name }) => name) };
  if (scalar === undefined) throw new Error('a field that is neither message, enum nor scalar');
  return scalarSchema(scalar);
}

function fieldSchema(field: DescField): Json {
  if (field.fieldKind === 'list') return { type: 'array', items: valueSchema(field) };
  if (field.fieldKind === 'map') return { type: 'object', additionalProperties: valueSchema(field) };
  return valueSchema(field);
}

function messageSchema(message: DescMessage, comments: Comments): Json {
  const properties = message.fields.map((field) => {
    const description = comments.get(`${message.name}.${field.name}`);
    return [field.jsonName, { ...fieldSchema(field), ...(description === undefined ? {} : { description }) }] as const;
  });
  const said = comments.get(message.name);
  const description = eventOf(said)?.meaning ?? said;
  return {
    type: 'object',
    ...(description === undefined || description === '' ? {} : { description }),
    properties: Object.fromEntries(properties),
  };
}

interface Part {
  readonly topic: TopicPlan;
  readonly file: DescFile;
  readonly comments: Comments;
}

function eventsOf({ file, comments }: Part) {
  return file.messages.flatMap((message) => {
    const event = eventOf(comments.get(message.name));
    return event === undefined ? [] : [{ message, ...event }];
  });
}

/** The document for these topics. Throws for a topic whose producer has no events in `proto/`. */
export function asyncApiDocument(topics: readonly TopicPlan[]): Json {
  const parts = topics.map((topic): Part => {
    const file = FILES[topic.producer];
    if (file === undefined) throw new Error(`${topic.name} is produced by ${topic.producer}, which has no events in proto/.`);
    return { topic, file, comments: commentsOf(read(`proto/${file.name}.proto`)) };
  });
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Understudy events',
      version: '1.0.0',
      description: INFO,
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    defaultContentType: 'application/json',
    channels: Object.fromEntries(parts.map((part) => [part.topic.producer, channelOf(part)])),
    operations: Object.assign({}, ...parts.map(({ topic }) => operationsOf(topic))) as Json,
    components: {
      messages: Object.fromEntries(parts.flatMap(messagesOf)),
      schemas: { CloudEventHeaders: HEADERS, ...Object.fromEntries(parts.flatMap(schemasOf)) },
    },
  };
}

const INFO =
  `What the services say to each other and to whoever listens. CloudEvents 1.0 in Kafka, binary content mode: the record's value
is the payload (the JSON form of the proto message; a field at its default may be absent, a field that is not named here may appear),
every other attribute is a header. At least once: the pair of ce_source and ce_id tells a repetition. Order is promised per key.`.replaceAll(
    '\n',
    ' ',
  );

const text = (description: string, more: Json = {}): Json => ({ type: 'string', description, ...more });

const HEADERS: Json = {
  type: 'object',
  required: [
    'content-type',
    'ce_specversion',
    'ce_id',
    'ce_source',
    'ce_type',
    'ce_subject',
    'ce_time',
    'ce_partitionkey',
    'ce_sequence',
  ],
  properties: {
    'content-type': { const: 'application/json' },
    ce_specversion: { const: '1.0' },
    ce_id: text('Stream and version in it; unique with ce_source, and the same when the event is brought again.'),
    ce_source: text('`/understudy/<service>/<log id>`; the log id changes when a log was restored from a copy.'),
    ce_type: text('`understudy.<service>.<event>.v<n>`.'),
    ce_subject: text('What the event is about, e.g. `cluster/payments-db`.'),
    ce_time: text('When it was recorded.', { format: 'date-time' }),
    ce_partitionkey: text('The record’s key: order is promised per key.'),
    ce_sequence: text('Position in the source’s log, 20 digits.', { pattern: '^\\d{20}$' }),
    ce_traceparent: text('W3C trace context in which the event was made.'),
    traceparent: text('The same, for tools that read the plain header.'),
  },
};

function channelOf(part: Part): Json {
  const { name, partitions, retentionMs, maxMessageBytes, producer } = part.topic;
  return {
    address: name,
    description: `${part.comments.get('package') ?? ''} Only the principal ${producer} may write here.`.trim(),
    messages: Object.fromEntries(
      eventsOf(part).map(({ message }) => [message.name, ref(`components/messages/${schemaName(message)}`)]),
    ),
    bindings: {
      kafka: {
        topic: name,
        partitions,
        topicConfiguration: { 'cleanup.policy': ['delete'], 'retention.ms': retentionMs, 'max.message.bytes': maxMessageBytes },
        bindingVersion: '0.5.0',
      },
    },
  };
}

function operationsOf({ producer, consumers, name }: TopicPlan): Json {
  const channel = ref(`channels/${producer}`);
  const receives = consumers.map((consumer) => [
    `${consumer}Hears${producer[0]?.toUpperCase()}${producer.slice(1)}`,
    {
      action: 'receive',
      channel,
      summary: `${consumer} hears what it needs of ${name}.`,
      bindings: { kafka: { groupId: { type: 'string', const: consumer }, bindingVersion: '0.5.0' } },
    },
  ]);
  return {
    [`${producer}Says`]: { action: 'send', channel, summary: `${producer} publishes to ${name}.` },
    ...Object.fromEntries(receives),
  };
}

function messagesOf(part: Part): readonly (readonly [string, Json])[] {
  return eventsOf(part).map(({ message, type, meaning }) => [
    schemaName(message),
    {
      name: type,
      title: message.name,
      ...(meaning === '' ? {} : { summary: meaning }),
      contentType: 'application/json',
      headers: {
        allOf: [ref('components/schemas/CloudEventHeaders'), { type: 'object', properties: { ce_type: { const: type } } }],
      },
      payload: ref(`components/schemas/${schemaName(message)}`),
      bindings: { kafka: { key: { type: 'string' }, bindingVersion: '0.5.0' } },
    },
  ]);
}

const schemasOf = ({ file, comments }: Part): readonly (readonly [string, Json])[] =>
  file.messages.map((message) => [schemaName(message), messageSchema(message, comments)]);
