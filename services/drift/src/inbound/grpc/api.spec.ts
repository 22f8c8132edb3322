import { contractGaps, unopened } from '@understudy/testing';
import { expect, it } from 'vitest';
import { driftGrpc } from './api.js';

it('says over gRPC what it says over REST: the same operations, fields and words', () => {
  expect(unopened(driftGrpc)).toEqual([]);
  expect(contractGaps(driftGrpc)).toEqual([]);
});
