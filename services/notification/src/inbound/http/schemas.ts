import { KNOWN_TYPES, SEVERITIES } from '@understudy/notification-domain';
import { pageSchema } from '@understudy/runtime';
import type { Schema } from '@understudy/runtime';

const TEXT = { type: 'string', minLength: 1, maxLength: 200 } as const;
const SLUG = { type: 'string', pattern: '^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$' } as const;
const TIME = { type: 'string', format: 'date-time' } as const;
const ID = { type: 'string', format: 'uuid' } as const;
const NULLABLE_TEXT = { type: ['string', 'null'] } as const;
const NULLABLE_TIME = { type: ['string', 'null'], format: 'date-time' } as const;

export const ID_PARAM: Schema = ID;

const DOCUMENT = {
  description: { type: 'string', maxLength: 500 },
  channel: { const: 'webhook' },
  url: {
    type: 'string',
    minLength: 1,
    maxLength: 2_000,
    description: 'Receives POST requests signed after Standard Webhooks, bodies are CloudEvents.',
  },
  filter: {
    title: 'SubscriptionFilter',
    type: 'object',
    additionalProperties: false,
    required: ['types', 'clusters', 'leastSeverity'],
    properties: {
      types: {
        type: 'array',
        maxItems: 50,
        uniqueItems: true,
        items: TEXT,
        description: 'Exact types, or prefixes that end in *; empty = all.',
        examples: [[KNOWN_TYPES[0]]],
      },
      clusters: {
        type: 'array',
        maxItems: 200,
        uniqueItems: true,
        items: SLUG,
        description: 'Empty = all, and events that concern no cluster.',
      },
      leastSeverity: { type: 'string', enum: [...SEVERITIES] },
    },
  },
  enabled: { type: 'boolean' },
} as const;
const DOCUMENT_FIELDS = Object.keys(DOCUMENT);

export const SUBSCRIPTION_DOCUMENT: Schema = {
  title: 'SubscriptionDocument',
  type: 'object',
  additionalProperties: false,
  required: DOCUMENT_FIELDS,
  properties: DOCUMENT,
};

const SUBSCRIPTION_FIELDS = {
  id: ID,
  ...DOCUMENT,
  disabledReason: { ...NULLABLE_TEXT, description: 'Why we switched it off; null = we did not. A PUT switches it on again.' },
};
export const SUBSCRIPTION: Schema = {
  title: 'Subscription',
  type: 'object',
  required: Object.keys(SUBSCRIPTION_FIELDS),
  properties: SUBSCRIPTION_FIELDS,
};
export const SUBSCRIPTION_WITH_SECRET: Schema = {
  title: 'SubscriptionWithSecret',
  type: 'object',
  required: [...Object.keys(SUBSCRIPTION_FIELDS), 'secret'],
  properties: {
    ...SUBSCRIPTION_FIELDS,
    secret: { type: 'string', description: '`whsec_...`, shown here and never again. Verify every request with it.' },
  },
};
export const SUBSCRIPTIONS = pageSchema('SubscriptionPage', SUBSCRIPTION);

const DELIVERY_FIELDS = {
  id: { ...ID, description: 'Sent as `webhook-id`.' },
  subscriptionId: ID,
  type: { type: 'string' },
  eventId: { type: 'string' },
  source: { type: 'string' },
  status: { type: 'string', enum: ['pending', 'succeeded', 'exhausted', 'dropped'] },
  round: { type: 'integer', description: '1 = the first; each redelivery begins another.' },
  attempts: { type: 'integer', description: 'Of this round.' },
  nextAttemptAt: TIME,
  lastReason: NULLABLE_TEXT,
  createdAt: TIME,
  endedAt: NULLABLE_TIME,
};
export const DELIVERY: Schema = {
  title: 'Delivery',
  type: 'object',
  required: Object.keys(DELIVERY_FIELDS),
  properties: DELIVERY_FIELDS,
};
export const DELIVERIES = pageSchema('DeliveryPage', DELIVERY);
export const DELIVERY_STATUS: Schema = DELIVERY_FIELDS.status;

export const NEW_TICKET: Schema = {
  title: 'NewTicket',
  type: 'object',
  additionalProperties: false,
  required: ['windowId', 'number', 'approver'],
  properties: {
    windowId: TEXT,
    number: { ...TEXT, description: 'The number in your ticket system.' },
    approver: { ...TEXT, description: 'Who approved it there; not the person who scheduled the window.' },
    expiresAt: { ...TIME, description: 'After this it opens no gate; absent = the window’s end.' },
  },
};
const TICKET_FIELDS = {
  id: ID,
  windowId: { type: 'string' },
  system: { const: 'manual' },
  number: { type: 'string' },
  status: { type: 'string', enum: ['created', 'approved', 'rejected', 'held', 'closed'] },
  approver: NULLABLE_TEXT,
  approvedAt: NULLABLE_TIME,
  expiresAt: NULLABLE_TIME,
  reason: NULLABLE_TEXT,
};
export const TICKET: Schema = {
  title: 'Ticket',
  type: 'object',
  required: Object.keys(TICKET_FIELDS),
  properties: TICKET_FIELDS,
};
export const TICKETS = pageSchema('TicketPage', TICKET);
export const REASON: Schema = {
  title: 'Reason',
  type: 'object',
  additionalProperties: false,
  required: ['reason'],
  properties: { reason: { type: 'string', minLength: 1, maxLength: 1_000 } },
};
export const WINDOW_ID: Schema = TEXT;
