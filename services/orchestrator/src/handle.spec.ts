import { ROLLOUT_EVENT_VERSIONS, type RolloutEvent } from '@understudy/orchestrator-domain';
import { describe, expect, it } from 'vitest';
import { rolloutCodec } from './handle.js';

describe('events of a rollout', () => {
  it.each(Object.entries(ROLLOUT_EVENT_VERSIONS))(
    '%s is written in version %i, under which its sample is kept',
    (type, version) => {
      const event = { type, data: { at: 'now' } } as unknown as RolloutEvent;
      expect(rolloutCodec('orders').encode(event)).toEqual({
        type,
        schemaVersion: version,
        body: { at: 'now', clusterSlug: 'orders' },
      });
    },
  );
});
