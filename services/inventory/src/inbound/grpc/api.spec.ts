import { contractGaps, unopened } from '@understudy/testing';
import { expect, it } from 'vitest';
import { inventoryGrpc } from './api.js';

const SAID_OTHERWISE = [
  // A preview is an RPC of its own.
  'RegisterClusterRequest.dryRun',
  'PreviewClusterRequest.dryRun',
  'PreviewClusterRequest.idempotency_key',
  'RegistrationPreview.dryRun',
];

it('says over gRPC what it says over REST: the same operations, fields and words', () => {
  expect(unopened(inventoryGrpc)).toEqual([]);
  expect(contractGaps(inventoryGrpc, SAID_OTHERWISE)).toEqual([]);
});
