/** One event on its way to one receiver: how it ended, and that somebody asked for it again. Stream `delivery/<id>`. */
import type { Decider } from '@understudy/decider';
import { accept, refuse } from '@understudy/decider';

/** The attempts between are rows of a work queue: they are no facts of the business. */
export type DeliveryEvent =
  | {
      readonly type: 'DeliverySucceeded';
      readonly data: { readonly deliveryId: string; readonly subscriptionId: string; readonly attempts: number };
    }
  | {
      readonly type: 'DeliveryExhausted';
      readonly data: {
        readonly deliveryId: string;
        readonly subscriptionId: string;
        readonly attempts: number;
        readonly reason: string;
      };
    }
  | { readonly type: 'RedeliveryRequested'; readonly data: { readonly round: number } };

export type DeliveryCommand =
  | {
      readonly type: 'succeed';
      readonly deliveryId: string;
      readonly subscriptionId: string;
      readonly attempts: number;
      readonly round: number;
    }
  | {
      readonly type: 'exhaust';
      readonly deliveryId: string;
      readonly subscriptionId: string;
      readonly attempts: number;
      readonly reason: string;
      readonly round: number;
    }
  | { readonly type: 'request-redelivery'; readonly known: boolean };

export interface DeliveryState {
  readonly outcome: 'pending' | 'succeeded' | 'exhausted';
  /** 1 = the first; each redelivery asked for begins another. */
  readonly round: number;
}

export const deliveryDecider: Decider<DeliveryState, DeliveryCommand, DeliveryEvent> = {
  initial: { outcome: 'pending', round: 1 },
  decide: (command, state) => {
    if (command.type === 'request-redelivery') return requestRedelivery(command.known, state);
    // The outcome of a round is told once; a sender that comes late with an old round has nothing to tell.
    if (state.outcome !== 'pending' || command.round !== state.round) return accept();
    const { deliveryId, subscriptionId, attempts } = command;
    return command.type === 'succeed'
      ? accept({ type: 'DeliverySucceeded', data: { deliveryId, subscriptionId, attempts } })
      : accept({ type: 'DeliveryExhausted', data: { deliveryId, subscriptionId, attempts, reason: command.reason } });
  },
  evolve: (state, event) => {
    switch (event.type) {
      case 'DeliverySucceeded':
        return { ...state, outcome: 'succeeded' };
      case 'DeliveryExhausted':
        return { ...state, outcome: 'exhausted' };
      case 'RedeliveryRequested':
        return { outcome: 'pending', round: event.data.round };
    }
  },
};

function requestRedelivery(known: boolean, state: DeliveryState): ReturnType<typeof deliveryDecider.decide> {
  if (!known) {
    return refuse('not-found', {
      pointer: '',
      code: 'DELIVERY_UNKNOWN',
      detail: 'There is no such delivery. Deliveries are kept for 30 days after they ended.',
    });
  }
  if (state.outcome === 'pending') {
    return refuse('conflict', {
      pointer: '',
      code: 'DELIVERY_PENDING',
      detail: 'It is still being delivered. Wait for its outcome, or look at its next attempt.',
    });
  }
  return accept({ type: 'RedeliveryRequested', data: { round: state.round + 1 } });
}
