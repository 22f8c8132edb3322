import type { Schema } from '@understudy/runtime';
import { pageSchema } from '@understudy/runtime';

/** Shapes at the door, and the only place where they are said: validation and OpenAPI come from here. */
const SLUG_TEXT: Schema = {
  type: 'string',
  pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$',
  description: 'Lower-case letters, digits and hyphens, at most 63. An identity: it is never renamed.',
};
const TEXT: Schema = { type: 'string', minLength: 1, maxLength: 500 };
const SETTINGS: Schema = {
  type: 'object',
  maxProperties: 50,
  propertyNames: { type: 'string', minLength: 1, maxLength: 100 },
  additionalProperties: { type: 'string', maxLength: 1000 },
};
const TIME: Schema = { type: 'string', format: 'date-time' };
const strict = (
  title: string,
  properties: Readonly<Record<string, Schema>>,
  required: readonly string[],
  description?: string,
): Schema => ({
  title,
  ...(description === undefined ? {} : { description }),
  type: 'object',
  additionalProperties: false,
  required,
  properties,
});

const SSH_PLACE: Readonly<Record<string, Schema>> = {
  address: {
    type: 'string',
    pattern: '^[A-Za-z0-9.:-]+$',
    maxLength: 253,
    description: 'Name or address at which sshd answers, as it stands in the known hosts file.',
  },
  port: { type: 'integer', minimum: 1, maximum: 65_535, description: '22 unless said.' },
  user: { type: 'string', pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]*[$]?$', maxLength: 64 },
  credential: { ...SLUG_TEXT, description: 'Name of a credential; its secret is a private key.' },
  hostKeys: {
    type: 'array',
    minItems: 1,
    maxItems: 10,
    items: { type: 'string', pattern: '^SHA256:[A-Za-z0-9+/]{43}$' },
    description: 'Fingerprints of the only keys that the host may show; without them the known hosts file decides.',
  },
};

/** What is said of one kind of access alone. */
const SSH_ONLY = [...Object.keys(SSH_PLACE), 'jumps'];

const ACCESS: Schema = {
  ...strict(
    'HostAccess',
    {
      kind: { type: 'string', enum: ['local', 'ssh'] },
      root: {
        type: 'string',
        pattern: '^/',
        maxLength: 1000,
        description: 'Absolute folder; everything of ours stays below it.',
      },
      ...SSH_PLACE,
      jumps: {
        type: 'array',
        minItems: 1,
        maxItems: 4,
        items: strict('SshPlace', SSH_PLACE, ['address', 'user', 'credential'], 'A host on the way.'),
        description: 'The way there: each place is reached through the one before it.',
      },
    },
    ['kind', 'root'],
    'How commands reach the host. `local`: the orchestrator’s own machine, confined to one folder. `ssh`: another machine.',
  ),
  if: { properties: { kind: { const: 'ssh' } } },
  then: { required: ['address', 'user', 'credential'] },
  else: { properties: Object.fromEntries(SSH_ONLY.map((name) => [name, false])) },
};

const HOST = strict(
  'Host',
  {
    slug: SLUG_TEXT,
    access: ACCESS,
    patching: {
      type: 'object',
      maxProperties: 20,
      propertyNames: { type: 'string', minLength: 1, maxLength: 100 },
      additionalProperties: SETTINGS,
      description: 'Patch sources by name, each with its settings.',
    },
  },
  ['slug', 'access', 'patching'],
  'A machine. It may carry nodes of several clusters; then every document says the same access.',
);

const NODE = strict(
  'Node',
  {
    slug: SLUG_TEXT,
    host: { ...SLUG_TEXT, description: 'The slug of one of `hosts`.' },
    settings: {
      ...SETTINGS,
      description: 'What the platform driver needs to reach this node’s service. Values are texts: write "5432" in quotes.',
    },
    notPromotable: { ...TEXT, description: 'Why this node must never become active: delayed, reporting, asynchronous site.' },
  },
  ['slug', 'host', 'settings'],
  'A host’s membership in this cluster.',
);

export const CLUSTER_DOCUMENT = strict(
  'ClusterDocument',
  {
    slug: SLUG_TEXT,
    platform: { type: 'string', minLength: 1, maxLength: 100, description: 'The platform driver’s name.' },
    environment: { type: 'string', enum: ['production', 'lab', 'practice'] },
    declaredHaLayer: {
      type: 'string',
      enum: ['application', 'hypervisor', 'none'],
      description: 'What you believe protects this cluster. It is compared with what is seen and never trusted.',
    },
    twinOf: { ...SLUG_TEXT, description: 'For a lab: the production cluster that it mirrors.' },
    workloads: {
      type: 'array',
      minItems: 1,
      maxItems: 20,
      items: { type: 'string', minLength: 1, maxLength: 100 },
      description: 'What the cluster protects.',
    },
    nodes: { type: 'array', minItems: 1, maxItems: 32, items: NODE },
    hosts: { type: 'array', minItems: 1, maxItems: 32, items: HOST },
    credentials: {
      type: 'object',
      maxProperties: 10,
      propertyNames: { type: 'string', enum: ['driver', 'probe', 'replication', 'restApi', 'sentinel'] },
      additionalProperties: { type: 'string', pattern: '^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$' },
      description: 'Names of credentials that an admin defined, by purpose. Never a secret, never a place where one lies.',
    },
    probeHost: {
      ...SLUG_TEXT,
      description: 'The host that measures from outside, of access `local`: the probe runs beside the orchestrator.',
    },
    settings: { ...SETTINGS, description: 'Settings of the whole cluster that the driver understands.' },
  },
  ['slug', 'platform', 'environment', 'workloads', 'nodes', 'hosts', 'credentials', 'settings'],
  'What you register: one HA group with its nodes and hosts.',
);

export const CLASSIFICATION: Schema = {
  title: 'Classification',
  type: 'object',
  required: ['haLayer', 'rolling', 'reason', 'evidence'],
  properties: {
    haLayer: { type: 'string', enum: ['application', 'hypervisor', 'none'] },
    rolling: { type: 'boolean', description: 'May a rolling plan be made?' },
    reason: { type: 'string', description: 'In words, from what was seen.' },
    evidence: { type: 'array', items: { type: 'string' } },
  },
};

const OBSERVED_NODE: Schema = {
  title: 'ObservedNode',
  type: 'object',
  required: ['node', 'host', 'native', 'availability', 'roles', 'joined', 'electable', 'promotable', 'versions'],
  properties: {
    node: { type: 'string' },
    host: { type: 'string' },
    reachable: { type: 'boolean', description: 'The host answered; says nothing about the service.' },
    native: { type: 'string', description: 'The platform’s own word.' },
    availability: { type: 'string', enum: ['serving', 'drained', 'down', 'unknown'], description: 'Our word.' },
    roles: {
      type: 'object',
      additionalProperties: { type: 'string', enum: ['active', 'standby', 'witness'] },
      description: 'By workload.',
    },
    writable: { type: ['boolean', 'null'], description: 'Null = it could not be told.' },
    joined: { type: 'boolean' },
    electable: { type: 'boolean' },
    promotable: { type: 'boolean' },
    notPromotableBecause: { type: ['string', 'null'] },
    lag: {
      type: ['object', 'null'],
      required: ['bytes', 'ceilingBytes'],
      properties: { bytes: { type: 'number' }, ceilingBytes: { type: 'number' } },
      description: 'By log position, at the last change of the picture.',
    },
    versions: {
      type: 'object',
      additionalProperties: {
        type: 'object',
        required: ['installed', 'running'],
        properties: { installed: { type: ['string', 'null'] }, running: { type: ['string', 'null'] } },
      },
    },
  },
};

const LAST_LOOK: Schema = {
  title: 'LastLook',
  type: ['object', 'null'],
  required: ['at', 'complete', 'problem'],
  properties: {
    at: TIME,
    complete: { type: 'boolean' },
    problem: { type: ['string', 'null'], description: 'Why the look told less than it should.' },
  },
};

export const TOPOLOGY: Schema = {
  title: 'Topology',
  type: 'object',
  required: ['cluster', 'observedAt', 'complete', 'nodes', 'disagreements', 'classification', 'lastLook'],
  properties: {
    cluster: { type: 'string' },
    observedAt: {
      type: ['string', 'null'],
      format: 'date-time',
      description: 'Since when the picture is this one; null = not seen yet.',
    },
    complete: { type: 'boolean' },
    nodes: { type: 'array', items: OBSERVED_NODE },
    disagreements: { type: 'array', items: { type: 'string' } },
    classification: { anyOf: [CLASSIFICATION, { type: 'null' }] },
    lastLook: LAST_LOOK,
  },
};

export const CLUSTER: Schema = {
  title: 'Cluster',
  type: 'object',
  required: ['slug', 'revision', 'status', 'definition', 'classification'],
  properties: {
    slug: { type: 'string' },
    revision: { type: 'integer', description: 'Of the document; also the ETag. It does not move with what is observed.' },
    status: { type: 'string', enum: ['registered', 'retired'] },
    definition: CLUSTER_DOCUMENT,
    classification: { anyOf: [CLASSIFICATION, { type: 'null' }], description: 'Null until it was looked at.' },
  },
};

export const CLUSTERS = pageSchema('ClusterPage', CLUSTER);

export const PREVIEW: Schema = {
  title: 'RegistrationPreview',
  type: 'object',
  required: ['dryRun', 'cluster', 'summary', 'classification', 'topology', 'next'],
  properties: {
    dryRun: { type: 'boolean', const: true },
    cluster: { type: 'string' },
    summary: { type: 'array', items: { type: 'string' }, description: 'What was seen, in sentences.' },
    classification: { anyOf: [CLASSIFICATION, { type: 'null' }] },
    topology: { anyOf: [TOPOLOGY, { type: 'null' }] },
    next: { type: 'string' },
  },
};

const FACT: Schema = {
  title: 'Fact',
  type: 'object',
  required: ['area', 'name', 'value', 'secret'],
  properties: {
    area: { type: 'string' },
    name: { type: 'string' },
    value: { type: ['string', 'null'], description: 'After a reload or restart. Null where it is secret.' },
    runningValue: { type: ['string', 'null'], description: 'Where it differs from `value`.' },
    secret: { type: 'boolean' },
  },
};

export const FACTS: Schema = {
  title: 'Facts',
  type: 'object',
  required: ['cluster', 'activeNode', 'nodes'],
  properties: {
    cluster: { type: 'string' },
    activeNode: { type: ['string', 'null'] },
    nodes: {
      type: 'array',
      items: {
        type: 'object',
        required: ['node', 'collectedAt', 'facts', 'missing'],
        properties: {
          node: { type: 'string' },
          collectedAt: TIME,
          facts: { type: 'array', items: FACT },
          missing: { type: 'array', items: { type: 'string' } },
        },
      },
    },
  },
};

export const DEBT: Schema = {
  title: 'Debt',
  type: 'object',
  required: ['cluster', 'node', 'patchSetId', 'advisories', 'availableSince', 'days', 'settled'],
  properties: {
    cluster: { type: 'string' },
    node: { type: 'string' },
    patchSetId: { type: 'string' },
    advisories: { type: 'array', items: { type: 'string' } },
    availableSince: TIME,
    days: { type: 'integer', description: 'Whole days between publication and the last look (or the payment).' },
    settled: { type: 'boolean', description: 'The node runs the target versions.' },
  },
};
export const DEBTS = pageSchema('DebtPage', DEBT);

export const SLUG: Schema = { type: 'string', pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$' };

export const CREDENTIAL_DOCUMENT = strict(
  'CredentialDocument',
  {
    user: { type: 'string', minLength: 1, maxLength: 200 },
    source: {
      type: 'string',
      pattern: '^(env:[A-Za-z_][A-Za-z0-9_]*|file:/.+)$',
      maxLength: 1000,
      description: 'Where the secret lies: env:NAME or file:/absolute/path. It is never shown again.',
    },
    hosts: {
      type: 'array',
      minItems: 1,
      maxItems: 100,
      items: { type: 'string', minLength: 1, maxLength: 300 },
      description: 'Addresses or host names that the secret may be shown to; * is one label, ** anything.',
    },
  },
  ['hosts'],
);

export const CREDENTIAL: Schema = {
  title: 'Credential',
  type: 'object',
  required: ['name', 'hosts'],
  properties: { name: { type: 'string' }, hosts: { type: 'array', items: { type: 'string' } } },
};
export const CREDENTIALS = pageSchema('CredentialPage', CREDENTIAL);
