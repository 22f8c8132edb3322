/** What windows say of their waves, and of each other. */
import { count, rolloutResult, SLUG, time, UUID } from './shapes.js';

const dependency = {
  type: 'object',
  additionalProperties: false,
  required: ['cluster', 'on'],
  description: 'The cluster begins only after every one that it depends on has succeeded in this window.',
  properties: { cluster: SLUG, on: { type: 'array', minItems: 1, maxItems: 200, uniqueItems: true, items: SLUG } },
} as const;

/** What a request may say of waves. */
export const wavesWanted = {
  waves: {
    type: 'array',
    maxItems: 50,
    description:
      'Rollouts begin wave by wave, the next when the one before has ended. Absent: one wave of all. Inside a wave, clusters that share a host run one after the other.',
    items: {
      type: 'object',
      additionalProperties: false,
      properties: {
        clusters: { type: 'array', minItems: 1, maxItems: 200, uniqueItems: true, items: SLUG },
        count: {
          type: 'integer',
          minimum: 1,
          maximum: 200,
          description: 'So many of those that no wave names. Neither clusters nor count: all that are left.',
        },
        canary: {
          type: 'boolean',
          description: 'The first wave only: its first rollout without success holds the window.',
        },
      },
    },
  },
  soakMs: { type: 'integer', minimum: 0, maximum: 86_400_000, description: 'Between two waves. 0 when absent.' },
  failureBudget: {
    type: 'integer',
    minimum: 0,
    maximum: 200,
    description: 'So many rollouts may end without success; one more holds the window. 0 when absent.',
  },
  dependsOn: { type: 'array', maxItems: 200, items: dependency },
} as const;

/** In the order in which the view of a window tells them. */
export const windowStatus = {
  enum: ['scheduled', 'rejected', 'cancelled', 'open', 'held', 'frozen', 'aborting', 'closed'],
} as const;
export const results = {
  type: ['object', 'null'],
  additionalProperties: count,
  description: 'How many rollouts ended with each result.',
} as const;
const timeOrNull = { type: ['string', 'null'], format: 'date-time' } as const;

const wave = {
  type: 'object',
  required: ['number', 'canary', 'clusters', 'status'],
  properties: {
    number: { type: 'integer', minimum: 1 },
    canary: { type: 'boolean' },
    clusters: { type: 'array', items: SLUG },
    status: { enum: ['waiting', 'running', 'ended', 'not-begun'] },
    begunAt: timeOrNull,
    endedAt: timeOrNull,
    soakUntil: timeOrNull,
    results,
  },
} as const;

export const windowRollout = {
  id: UUID,
  cluster: SLUG,
  wave: { type: 'integer', minimum: 1 },
  status: { enum: ['waiting', 'begun', 'ended', 'given-up'] },
  begunAt: timeOrNull,
  result: rolloutResult,
  reason: {
    type: ['string', 'null'],
    description: 'How it ended, what it waits for, or why it never begins; null while it runs.',
  },
} as const;

/** What a window says of its waves. */
export const wavesTold = {
  held: {
    type: ['object', 'null'],
    description: 'Nothing further begins; what runs goes on to its end.',
    properties: { by: { type: 'string' }, reason: { type: 'string' }, at: time, whoCanChangeIt: { type: 'string' } },
  },
  soakMs: { type: 'integer' },
  failureBudget: count,
  dependsOn: { type: 'array', items: dependency },
  waves: { type: 'array', items: wave },
} as const;

export const windowReport = {
  title: 'WindowReport',
  type: 'object',
  required: ['windowId', 'status', 'waves', 'rollouts', 'story'],
  properties: {
    windowId: UUID,
    status: windowStatus,
    kind: { type: 'string' },
    playbook: { type: 'object', required: ['name', 'version'], properties: { name: SLUG, version: count } },
    patchSetId: UUID,
    tickets: { type: 'array', items: { type: 'string' } },
    scheduledBy: { type: 'string' },
    approvedBy: { type: ['string', 'null'] },
    opensAt: time,
    closesAt: time,
    results,
    waves: { type: 'array', items: wave },
    rollouts: {
      type: 'array',
      items: {
        type: 'object',
        required: ['id', 'cluster', 'wave', 'status'],
        properties: {
          ...windowRollout,
          tookMs: { type: ['number', 'null'], description: 'From its admission to its end.' },
          interruption: { type: ['object', 'null'], description: 'Measured from outside, or said not to be.' },
        },
      },
    },
    story: { type: 'array', items: { type: 'object', properties: { at: time, what: { type: 'string' } } } },
  },
} as const;

export const fleetStop = {
  title: 'FleetStop',
  type: 'object',
  required: ['windows', 'refused', 'complete'],
  properties: {
    windows: {
      type: 'array',
      description: 'Those that were frozen or resumed with this.',
      items: {
        type: 'object',
        required: ['id', 'status', 'running'],
        properties: {
          id: UUID,
          status: windowStatus,
          running: { type: 'array', items: SLUG, description: 'Clusters whose rollout has begun and not ended.' },
        },
      },
    },
    refused: {
      type: 'array',
      items: {
        type: 'object',
        required: ['id', 'code', 'detail'],
        properties: { id: UUID, code: { type: 'string' }, detail: { type: 'string' } },
      },
    },
    complete: {
      type: 'boolean',
      description: 'False: the list of windows was not up to date, and newer ones may be missing. Say it again.',
    },
  },
} as const;
