import type { orchestrator } from '@understudy/contracts';
import type { Store } from '@understudy/event-log';
import { execute } from '@understudy/event-log';
import type { NotedPatchSet } from '@understudy/inventory-domain';
import { patchSetDecider } from '@understudy/inventory-domain';
import type { CloudEvent, HandlerTable } from '@understudy/messaging';
import type { FactsQueue } from '../../effects/facts-queue.js';
import { PATCH_SET_STREAM, accepted, messageMetadata, patchSetCodec } from '../../handle.js';

export const ORCHESTRATOR_TOPIC = 'understudy.orchestrator.v1';
/** For a question without a deadline of its own. */
const ANSWER_LIMIT_MS = 120_000;

/** What this service does when the orchestrator says something: write, and return. */
export function orchestratorHandlers(store: Store, queue: FactsQueue, onQuestion: () => void): HandlerTable {
  return {
    'understudy.orchestrator.drift-assessment-requested.v1': async (event) => {
      const { requestId = '', cluster = '', deadline } = event.data as orchestrator.DriftAssessmentRequestedJson;
      if (requestId === '' || cluster === '') throw new Error('The request names no id or no cluster.');
      const until = deadline === undefined ? store.now() + ANSWER_LIMIT_MS : Date.parse(deadline);
      if (Number.isNaN(until)) throw new Error('The deadline is not a time.');
      await queue.add({ requestId, cluster, deadline: new Date(until) });
      onQuestion();
    },
    'understudy.orchestrator.patch-set-defined.v1': (event) => notePatchSet(store, event),
  };
}

async function notePatchSet(store: Store, event: CloudEvent): Promise<void> {
  const { patchSetId = '', items = [], advisories = [], publishedAt = '' } = event.data as orchestrator.PatchSetDefinedJson;
  if (patchSetId === '' || Number.isNaN(Date.parse(publishedAt)))
    throw new Error('The patch set has no id or no time of publication.');
  const patchSet: NotedPatchSet = {
    id: patchSetId,
    items: items.map(({ name = '', targetVersion = '' }) => ({ name, targetVersion })),
    advisories,
    publishedAt,
  };
  const stream = `${PATCH_SET_STREAM}${patchSetId}`;
  const metadata = messageMetadata(event, stream);
  accepted(
    await execute(store.log, patchSetDecider, { stream, command: { type: 'note', patchSet }, metadata, codec: patchSetCodec }),
  );
}
