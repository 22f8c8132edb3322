import { contractGaps, unopened } from '@understudy/testing';
import { expect, it } from 'vitest';
import { orchestratorGrpc } from './api.js';

const SAID_OTHERWISE = [
  // REST's `at` is one text; here it is a position or a time, and a report for people is an RPC of its own.
  'GetRolloutRequest.*',
  'GetReportRequest.*',
  'RenderReportRequest.*',
  // REST's schema leaves most of the report open.
  'RolloutReport.*',
];

it('says over gRPC what it says over REST: the same operations, fields and words', () => {
  expect(unopened(orchestratorGrpc)).toEqual([]);
  expect(contractGaps(orchestratorGrpc, SAID_OTHERWISE)).toEqual([]);
});
