import type { orchestrator } from '@understudy/contracts';
import type { HandlerTable } from '@understudy/messaging';
import { accepted, messageMetadata } from '../../handle.js';
import type { Ledgers } from '../../use-cases/ledgers.js';

export const ORCHESTRATOR_TOPIC = 'understudy.orchestrator.v1';

/**
 * What this service does when the orchestrator says something. A question may be heard before or after the facts that
 * were collected for it: two topics keep no order between them, and the ledger answers when it has both.
 */
export function orchestratorHandlers(ledgers: Ledgers): HandlerTable {
  return {
    'understudy.orchestrator.drift-assessment-requested.v1': async (event) => {
      const {
        requestId = '',
        cluster = '',
        rolloutId = '',
        deadline = '',
        expectedItems = [],
      } = event.data as orchestrator.DriftAssessmentRequestedJson;
      if (requestId === '' || cluster === '') throw new Error('The request names no id or no cluster.');
      const request = { requestId, rolloutId, deadline, expectedItems };
      const command = { type: 'request-assessment', cluster, request, ...(await ledgers.judging()) } as const;
      accepted(await ledgers.execute(cluster, command, messageMetadata(event, cluster)));
    },
    'understudy.orchestrator.rollout-closed.v1': async (event) => {
      const { cluster = '', rolloutId = '' } = event.data as orchestrator.RolloutClosedJson;
      if (cluster === '') throw new Error('The message names no cluster.');
      const command = { type: 'end-expectation', rolloutId, ...(await ledgers.judging()) } as const;
      accepted(await ledgers.execute(cluster, command, messageMetadata(event, cluster)));
    },
  };
}
