import type { Schema } from '@understudy/runtime';
import { pageSchema } from '@understudy/runtime';

/** Shapes at the door, and the only place where they are said: validation and OpenAPI come from here. */
export const SLUG: Schema = { type: 'string', pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$' };
export const SEVERITY: Schema = { type: 'string', enum: ['blocking', 'warning', 'info'] };
export const STATE: Schema = { type: 'string', enum: ['open', 'waived', 'resolved'] };
const TIME: Schema = { type: 'string', format: 'date-time' };
const TEXT: Schema = { type: 'string', minLength: 1, maxLength: 1000 };

const WAIVER: Schema = {
  title: 'Waiver',
  type: ['object', 'null'],
  required: ['owner', 'reason', 'expiresAt'],
  properties: { owner: { type: 'string', description: 'Who accepted it.' }, reason: { type: 'string' }, expiresAt: TIME },
};

export const FINDING: Schema = {
  title: 'Finding',
  type: 'object',
  required: [
    'findingId',
    'cluster',
    'node',
    'against',
    'area',
    'name',
    'value',
    'expected',
    'severity',
    'detail',
    'state',
    'waiver',
    'openedAt',
    'changedAt',
  ],
  properties: {
    findingId: { type: 'string', description: 'Stable: the same difference has the same id at every look.' },
    cluster: { type: 'string' },
    node: { type: 'string' },
    against: { type: 'string', description: 'The node it was compared with, itself, or `baseline:<name>`.' },
    area: { type: 'string' },
    name: { type: 'string' },
    value: { type: 'string', description: 'A secret is never shown: equal or different is all that is told.' },
    expected: { type: 'string' },
    severity: {
      ...SEVERITY,
      description: 'blocking = this node would not start, not be promoted, or not serve as the active node did.',
    },
    detail: { type: 'string', description: 'Why it matters and what to do.' },
    state: STATE,
    waiver: WAIVER,
    openedAt: TIME,
    changedAt: TIME,
  },
};
export const FINDINGS = pageSchema('FindingPage', FINDING);

export const NEW_WAIVER: Schema = {
  title: 'NewWaiver',
  type: 'object',
  additionalProperties: false,
  required: ['reason', 'expiresAt'],
  properties: {
    reason: { ...TEXT, description: 'Why this difference is accepted.' },
    expiresAt: { ...TIME, description: 'When it lapses; at most 180 days ahead.' },
  },
};

const names: Schema = { type: 'array', minItems: 1, maxItems: 200, items: { type: 'string', minLength: 1, maxLength: 100 } };

const REQUIREMENT: Schema = {
  title: 'Requirement',
  type: 'object',
  additionalProperties: false,
  required: ['area', 'name', 'severity'],
  properties: {
    area: {
      ...TEXT,
      maxLength: 100,
      description: 'As in a cluster’s facts: setting, version, authentication, extension, kernel ...',
    },
    name: { ...TEXT, maxLength: 300 },
    value: { type: 'string', maxLength: 1000, description: 'Exactly this.' },
    atLeast: { ...TEXT, maxLength: 100, description: 'This version or number, or a higher one.' },
    oneOf: { type: 'array', minItems: 1, maxItems: 50, items: { type: 'string', maxLength: 1000 } },
    absent: { type: 'boolean', const: true },
    severity: SEVERITY,
    reason: { ...TEXT, description: 'Why; shown with a finding.' },
  },
  oneOf: [{ required: ['value'] }, { required: ['atLeast'] }, { required: ['oneOf'] }, { required: ['absent'] }],
  description: 'Exactly one of value, atLeast, oneOf, absent.',
};

const baselineProperties: Readonly<Record<string, Schema>> = {
  description: { type: 'string', maxLength: 1000 },
  appliesTo: {
    type: 'object',
    additionalProperties: false,
    properties: {
      environments: { type: 'array', minItems: 1, items: { type: 'string', enum: ['production', 'lab', 'practice'] } },
      platforms: names,
      clusters: names,
    },
    description: 'Every part that is given must fit; {} fits every cluster.',
  },
  requirements: { type: 'array', minItems: 1, maxItems: 500, items: REQUIREMENT },
};

export const BASELINE_DOCUMENT: Schema = {
  title: 'BaselineDocument',
  type: 'object',
  additionalProperties: false,
  required: ['description', 'appliesTo', 'requirements'],
  properties: baselineProperties,
};
export const BASELINE: Schema = {
  title: 'Baseline',
  type: 'object',
  required: ['name', 'revision', 'description', 'appliesTo', 'requirements'],
  properties: { name: { type: 'string' }, revision: { type: 'integer' }, ...baselineProperties },
};
export const BASELINES = pageSchema('BaselinePage', BASELINE);

export const FIDELITY: Schema = {
  title: 'Fidelity',
  type: 'object',
  required: ['cluster', 'twinOf', 'score', 'reasons'],
  properties: {
    cluster: { type: 'string' },
    twinOf: { type: 'string' },
    score: { type: 'integer', minimum: 0, maximum: 100 },
    reasons: { type: 'array', items: { type: 'string' }, description: 'What costs points, the dearest first.' },
  },
};

export const ASSESSMENT: Schema = {
  title: 'Assessment',
  type: 'object',
  required: ['cluster', 'requestId', 'assessedAt', 'blocking', 'warnings', 'waived', 'incomplete'],
  properties: {
    cluster: { type: 'string' },
    requestId: { type: 'string' },
    assessedAt: TIME,
    blocking: { type: 'array', items: { type: 'object' }, description: 'Findings that no waiver covers, as they were then.' },
    warnings: { type: 'integer' },
    waived: { type: 'integer' },
    incomplete: {
      type: 'array',
      items: { type: 'string' },
      description:
        'What could not be compared, `NODE: what` where it is about one node. Not empty = not whole, and a gate stays closed, unless the rollout has taken that node out of service.',
    },
  },
};
