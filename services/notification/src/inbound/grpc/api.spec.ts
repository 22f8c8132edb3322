import { contractGaps, unopened } from '@understudy/testing';
import { expect, it } from 'vitest';
import { notificationGrpc } from './api.js';

const SAID_OTHERWISE = [
  // Told only by the calls that make one.
  'Subscription.secret',
];

it('says over gRPC what it says over REST: the same operations, fields and words', () => {
  expect(unopened(notificationGrpc)).toEqual([]);
  expect(contractGaps(notificationGrpc, SAID_OTHERWISE)).toEqual([]);
});
