import { GATES } from '@understudy/orchestrator-domain';

/** JSON Schema 2020-12 of the orchestrator's requests and answers: the one source of validation and of the OpenAPI document. */
import { count, rolloutResult, SLUG, time, UUID } from './shapes.js';
import { results, wavesTold, wavesWanted, windowRollout, windowStatus } from './window-schemas.js';

export { SLUG, UUID } from './shapes.js';

const version = { type: 'string', minLength: 1, maxLength: 100 } as const;
const sentence = { type: 'string', minLength: 1, maxLength: 1000 } as const;

export const patchSetRequest = {
  type: 'object',
  additionalProperties: false,
  required: ['items', 'publishedAt'],
  properties: {
    items: {
      type: 'array',
      minItems: 1,
      maxItems: 50,
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['name', 'targetVersion', 'source'],
        properties: {
          name: { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9.+_-]{0,99}$' },
          targetVersion: version,
          source: SLUG,
          artifact: {
            type: 'string',
            pattern: '^[A-Za-z0-9][A-Za-z0-9.+_-]{0,199}$',
            description: 'A name inside the patch source, never a path.',
          },
        },
      },
    },
    advisories: {
      type: 'array',
      maxItems: 200,
      items: { type: 'string', minLength: 1, maxLength: 100 },
      description: 'Identifiers of the advisories that the items fix.',
    },
    publishedAt: time,
  },
} as const;

export const patchSet = {
  title: 'PatchSet',
  type: 'object',
  required: ['id', 'items', 'advisories', 'publishedAt'],
  properties: {
    id: UUID,
    items: patchSetRequest.properties.items,
    advisories: patchSetRequest.properties.advisories,
    publishedAt: time,
  },
} as const;

/** The shape only; which gates, checks and phases exist is the domain's to say, with a pointer to the place. */
export const playbookRequest = {
  type: 'object',
  description: 'Parameters over the fixed phases: see docs/playbooks.md.',
} as const;

export const playbook = {
  title: 'Playbook',
  type: 'object',
  required: ['name', 'version', 'hash', 'playbook'],
  properties: { name: SLUG, version: { type: 'integer', minimum: 1 }, hash: { type: 'string' }, playbook: { type: 'object' } },
} as const;

export const windowRequest = {
  type: 'object',
  additionalProperties: false,
  required: ['clusters', 'patchSetId', 'playbook', 'opensAt', 'closesAt'],
  properties: {
    clusters: { type: 'array', minItems: 1, maxItems: 200, uniqueItems: true, items: SLUG },
    patchSetId: UUID,
    playbook: {
      type: 'object',
      additionalProperties: false,
      required: ['name'],
      properties: { name: SLUG, version: { type: 'integer', minimum: 1, description: 'The newest when absent.' } },
    },
    kind: { enum: ['patch', 'rehearsal', 'switchover-test', 'downtime'], description: "The playbook's kind when absent." },
    opensAt: time,
    closesAt: time,
    tickets: {
      type: 'array',
      maxItems: 20,
      items: { type: 'string', minLength: 1, maxLength: 100 },
      description: 'Numbers of change tickets.',
    },
    outageBudgetMs: {
      type: 'integer',
      minimum: 1,
      maximum: 86_400_000,
      description:
        "Of a downtime window: how long each cluster's workload may be away, in milliseconds. Bound into the approval.",
    },
    ...wavesWanted,
  },
} as const;

const statement = {
  type: ['object', 'null'],
  properties: { by: { type: 'string' }, reason: { type: 'string' }, at: time },
} as const;
export const windowDocument = {
  title: 'Window',
  type: 'object',
  required: ['id', 'version', 'status', 'kind', 'clusters', 'patchSetId', 'playbook', 'opensAt', 'closesAt', 'rollouts'],
  properties: {
    id: UUID,
    version: count,
    status: windowStatus,
    kind: { type: 'string' },
    clusters: { type: 'array', items: SLUG },
    patchSetId: UUID,
    playbook: { type: 'object', required: ['name', 'version'], properties: { name: SLUG, version: count } },
    opensAt: time,
    closesAt: time,
    tickets: { type: 'array', items: { type: 'string' } },
    outageBudgetMs: { type: 'integer', description: 'Of a downtime window, in milliseconds.' },
    scheduledBy: { type: 'string' },
    scheduledAt: time,
    approval: statement,
    stopped: statement,
    ...wavesTold,
    results,
    rollouts: {
      type: 'array',
      items: {
        type: 'object',
        required: ['id', 'cluster', 'binding', 'wave', 'status'],
        properties: {
          ...windowRollout,
          binding: { type: ['string', 'null'], description: 'What an approval would bind to; null = not planned yet.' },
        },
      },
    },
  },
} as const;

export const windowRow = {
  title: 'WindowRow',
  type: 'object',
  required: ['id', 'status', 'clusters', 'opensAt', 'closesAt'],
  properties: {
    id: UUID,
    version: count,
    status: windowStatus,
    kind: { type: 'string' },
    clusters: { type: 'array', items: SLUG },
    rollouts: { type: 'array', items: UUID },
    patchSetId: UUID,
    playbook: { type: 'string', description: '`name@version`.' },
    opensAt: time,
    closesAt: time,
    scheduledBy: { type: 'string' },
    approvedBy: { type: ['string', 'null'] },
  },
} as const;

export const approvalRequest = {
  type: 'object',
  additionalProperties: false,
  required: ['bindings'],
  properties: {
    bindings: {
      type: 'object',
      description: 'Rollout id -> the binding that you have seen; another binding in force refuses the approval.',
      additionalProperties: { type: 'string', minLength: 1, maxLength: 200 },
    },
  },
} as const;

export const reasonRequest = {
  type: 'object',
  additionalProperties: false,
  required: ['reason'],
  properties: { reason: sentence },
} as const;

export const gate = { enum: GATES, description: 'A gate by its name.' } as const;

export const overrideRequest = {
  type: 'object',
  additionalProperties: false,
  required: ['gate', 'reason', 'until'],
  properties: { gate, reason: sentence, until: time },
} as const;

export const rollbackRequest = {
  type: 'object',
  additionalProperties: false,
  required: ['reason'],
  properties: { reason: sentence, node: { ...SLUG, description: 'Only this node; every node that was patched when absent.' } },
} as const;

const rolloutStatus = { enum: ['planned', 'running', 'recovering', 'held', 'frozen', 'closed'] } as const;

export const rolloutDocument = {
  title: 'Rollout',
  type: 'object',
  required: ['id', 'version', 'position', 'status', 'result', 'cluster', 'state'],
  properties: {
    id: UUID,
    version: count,
    position: { type: 'integer', minimum: 1, description: 'Of the last event that is folded into this.' },
    status: rolloutStatus,
    result: rolloutResult,
    cluster: { type: ['string', 'null'] },
    windowId: { type: ['string', 'null'] },
    kind: { type: ['string', 'null'] },
    binding: { type: ['string', 'null'] },
    owner: { type: ['object', 'null'], description: 'The process that drives it.' },
    state: { type: 'object', description: 'The whole state, folded from the recorded events alone.' },
  },
} as const;

export const rolloutRow = {
  title: 'RolloutRow',
  type: 'object',
  required: ['id', 'windowId', 'cluster', 'kind', 'status', 'result', 'plannedAt'],
  properties: {
    id: UUID,
    version: count,
    position: count,
    windowId: UUID,
    cluster: SLUG,
    kind: { type: 'string' },
    status: rolloutStatus,
    result: rolloutResult,
    step: { type: ['string', 'null'] },
    fingerprint: { type: 'string' },
    plannedAt: time,
    closedAt: { type: ['string', 'null'] },
    longestInterruptionMs: { type: ['number', 'null'] },
  },
} as const;

export const planDocument = {
  title: 'Plan',
  type: 'object',
  required: ['plan', 'noPlanBecause', 'downtimePlan', 'binding'],
  properties: {
    plan: {
      type: ['object', 'null'],
      description: 'Steps, patch order, durations, point of no return, what cannot be rolled back.',
    },
    noPlanBecause: { type: ['string', 'null'] },
    downtimePlan: { type: ['object', 'null'], description: 'Offered where the cluster cannot roll.' },
    binding: { type: ['string', 'null'] },
  },
} as const;

export const eventsDocument = {
  title: 'RolloutEvents',
  type: 'object',
  required: ['items'],
  properties: {
    items: {
      type: 'array',
      items: {
        type: 'object',
        required: ['position', 'stream', 'version', 'type', 'schemaVersion', 'time', 'metadata', 'body', 'hash'],
        properties: {
          position: count,
          stream: { type: 'string' },
          version: count,
          type: { type: 'string' },
          schemaVersion: count,
          time,
          metadata: { type: 'object' },
          body: { type: 'object' },
          hash: { type: 'string', description: 'Hex SHA-256, chained to the event before in its stream.' },
        },
      },
    },
  },
} as const;

export const signedCheckpoint = {
  title: 'SignedCheckpoint',
  type: 'object',
  required: ['number', 'position', 'statement', 'keyId', 'signature'],
  properties: {
    number: count,
    position: { type: 'integer', description: 'Covered up to here, together with the statements before.' },
    statement: { type: 'string', description: 'The signed text, JSON: heads of streams, and the hash of the statement before.' },
    keyId: { type: 'string', description: 'SHA-256 of the public key, DER, hex.' },
    signature: { type: 'string', description: 'Ed25519 over the bytes of `statement`, base64.' },
  },
} as const;

export const rolloutReport = {
  title: 'Report',
  type: 'object',
  required: ['rolloutId', 'cluster', 'status', 'result', 'steps', 'gates', 'interruption', 'story'],
  properties: {
    rolloutId: UUID,
    cluster: { type: 'string' },
    status: rolloutStatus,
    result: rolloutResult,
    steps: { type: 'array', items: { type: 'object' } },
    gates: { type: 'array', items: { type: 'object' } },
    interruption: { type: 'object', description: 'Measured from outside, or said not to be.' },
    story: { type: 'array', items: { type: 'object' } },
    checkpoint: {
      oneOf: [signedCheckpoint, { type: 'null' }],
      description: 'Signs the last of these events, and with them all before; null = not signed yet, or nothing is.',
    },
  },
} as const;

export const verification = {
  title: 'Verification',
  type: 'object',
  required: ['intact'],
  properties: {
    intact: { type: 'boolean' },
    events: { type: 'integer' },
    headPosition: { type: 'integer' },
    position: { type: 'integer', description: 'Where the first broken link is.' },
    stream: { type: 'string' },
    reason: { type: 'string' },
    signed: {
      type: 'object',
      description: 'How far signed checkpoints vouch for what is intact; absent where nothing is signed.',
      required: ['checkpoints', 'position', 'time', 'keyId', 'says'],
      properties: {
        checkpoints: count,
        position: { type: 'integer', description: 'Vouched for up to here; 0 = nothing yet.' },
        time: { type: ['string', 'null'], description: 'When that was signed.' },
        keyId: { type: ['string', 'null'], description: 'SHA-256 of the public key, DER, hex.' },
        says: { type: 'string', description: 'What follows from it, and what does not.' },
      },
    },
  },
} as const;
