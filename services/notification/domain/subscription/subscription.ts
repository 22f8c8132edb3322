/** A subscription: which published events go to which receiver. Stream `subscription/<id>`. Its signing secret is not an event. */
import type { Decider, Decision, Refusal } from '@understudy/decider';
import { accept, refuse } from '@understudy/decider';
import type { Severity } from './matching.js';
import { filterComplaints } from './matching.js';

export interface SubscriptionFilter {
  /** Event types, exact or as a prefix that ends in `*`; empty = all. */
  readonly types: readonly string[];
  /** Cluster slugs; empty = all, and events that concern no cluster. */
  readonly clusters: readonly string[];
  readonly leastSeverity: Severity;
}

export interface SubscriptionDocument {
  readonly description: string;
  readonly channel: 'webhook';
  readonly url: string;
  readonly filter: SubscriptionFilter;
  readonly enabled: boolean;
}

export type SubscriptionEvent =
  | {
      readonly type: 'SubscriptionCreated';
      readonly data: { readonly subscriptionId: string; readonly document: SubscriptionDocument };
    }
  | { readonly type: 'SubscriptionChanged'; readonly data: { readonly document: SubscriptionDocument } }
  | { readonly type: 'SubscriptionDisabled'; readonly data: { readonly reason: string } }
  | { readonly type: 'SecretRotated'; readonly data: { readonly generation: number } }
  | { readonly type: 'SubscriptionRemoved'; readonly data: Readonly<Record<string, never>> };

export type SubscriptionCommand =
  | { readonly type: 'create'; readonly subscriptionId: string; readonly document: SubscriptionDocument }
  | {
      readonly type: 'change';
      readonly document: SubscriptionDocument;
      readonly expectedVersion: number | undefined;
    }
  | { readonly type: 'disable'; readonly reason: string }
  | { readonly type: 'rotate-secret' }
  | { readonly type: 'remove'; readonly expectedVersion: number | undefined };

export type SubscriptionState =
  | { readonly status: 'none' }
  | {
      readonly status: 'active';
      readonly subscriptionId: string;
      readonly document: SubscriptionDocument;
      /** Why the receiver was switched off by us; null = it was not. */
      readonly disabledReason: string | null;
      readonly secretGeneration: number;
      /** Events of the stream so far: what `If-Match` names. */
      readonly version: number;
    }
  | { readonly status: 'removed' };

type Active = Extract<SubscriptionState, { status: 'active' }>;

const UNKNOWN: Refusal = {
  pointer: '',
  code: 'SUBSCRIPTION_UNKNOWN',
  detail: 'There is no such subscription. List them to see which there are.',
};

/** A version that the caller did not expect: somebody else changed it. */
export function versionRefusal(expected: number | undefined, actual: number): Decision<never> | undefined {
  if (expected === undefined || expected === actual) return undefined;
  const detail = `It is at version ${actual} now, not ${expected}: somebody changed it. Read it again, then decide again.`;
  return refuse('precondition', { pointer: '', code: 'VERSION_MISMATCH', detail });
}

export const subscriptionDecider: Decider<SubscriptionState, SubscriptionCommand, SubscriptionEvent> = {
  initial: { status: 'none' },
  decide: (command, state) => {
    if (command.type === 'create') return create(command.subscriptionId, command.document, state);
    if (state.status !== 'active') return refuse('not-found', UNKNOWN);
    switch (command.type) {
      case 'change':
        return versionRefusal(command.expectedVersion, state.version) ?? change(command.document);
      case 'disable':
        return state.disabledReason !== null || !state.document.enabled
          ? accept()
          : accept({ type: 'SubscriptionDisabled', data: { reason: command.reason } });
      case 'rotate-secret':
        return accept({ type: 'SecretRotated', data: { generation: state.secretGeneration + 1 } });
      case 'remove':
        return versionRefusal(command.expectedVersion, state.version) ?? accept({ type: 'SubscriptionRemoved', data: {} });
    }
  },
  evolve: (state, event) => {
    if (event.type === 'SubscriptionCreated')
      return { status: 'active', ...event.data, disabledReason: null, secretGeneration: 1, version: 1 };
    return state.status === 'active' ? revised({ ...state, version: state.version + 1 }, event) : state;
  },
};

function revised(state: Active, event: Exclude<SubscriptionEvent, { type: 'SubscriptionCreated' }>): SubscriptionState {
  switch (event.type) {
    case 'SubscriptionChanged':
      return { ...state, document: event.data.document, disabledReason: null };
    case 'SubscriptionDisabled':
      return { ...state, disabledReason: event.data.reason };
    case 'SecretRotated':
      return { ...state, secretGeneration: event.data.generation };
    case 'SubscriptionRemoved':
      return { status: 'removed' };
  }
}

function create(subscriptionId: string, document: SubscriptionDocument, state: SubscriptionState): Decision<SubscriptionEvent> {
  if (state.status !== 'none') {
    return refuse('conflict', {
      pointer: '',
      code: 'SUBSCRIPTION_EXISTS',
      detail: 'This subscription exists already. Change it, or send a new Idempotency-Key.',
    });
  }
  const complaints = filterComplaints(document.filter);
  if (complaints.length > 0) return refuse('invalid', ...complaints);
  return accept({ type: 'SubscriptionCreated', data: { subscriptionId, document } });
}

/** Changing it also switches a receiver on again that we had switched off: somebody has looked at it. */
function change(document: SubscriptionDocument): Decision<SubscriptionEvent> {
  const complaints = filterComplaints(document.filter);
  if (complaints.length > 0) return refuse('invalid', ...complaints);
  return accept({ type: 'SubscriptionChanged', data: { document } });
}

/** Whether events are sent to it now. */
export function isListening(state: SubscriptionState): state is Active {
  return state.status === 'active' && state.document.enabled && state.disabledReason === null;
}
