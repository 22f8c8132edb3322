import { readFileSync } from 'node:fs';
import type { DescMessage, JsonValue } from '@bufbuild/protobuf';
import { fromJson } from '@bufbuild/protobuf';
import { drift } from '@understudy/contracts';
import { describe, expect, it } from 'vitest';
import { publish } from './publish.js';

const messages: Readonly<Record<string, readonly [type: string, DescMessage]>> = {
  FindingOpened: ['understudy.drift.finding-opened.v1', drift.FindingOpenedSchema],
  FindingResolved: ['understudy.drift.finding-resolved.v1', drift.FindingResolvedSchema],
  FindingWaived: ['understudy.drift.finding-waived.v1', drift.FindingWaivedSchema],
  DriftAssessed: ['understudy.drift.drift-assessed.v1', drift.DriftAssessedSchema],
  FidelityScored: ['understudy.drift.fidelity-scored.v1', drift.FidelityScoredSchema],
};

function sample(type: string): Readonly<Record<string, unknown>> {
  return JSON.parse(readFileSync(new URL(`../../domain/samples/${type}.v1.json`, import.meta.url), 'utf8')) as Record<
    string,
    unknown
  >;
}

function publishBody(type: string, body: unknown) {
  const metadata = { commandId: 'c', actor: { subject: 's', role: 'system', authentication: 'internal', from: 'spec' } };
  return publish({
    position: 1,
    stream: 'x',
    version: 1,
    type,
    schemaVersion: 1,
    time: '2026-03-01T10:00:00.000Z',
    metadata,
    body,
    hash: '',
  });
}

describe('what is published', () => {
  it.each(Object.keys(messages))('%s is a message of the published language, keyed by its cluster', (type) => {
    const publication = publishBody(type, sample(type));
    const [name, schema] = messages[type] as readonly [string, DescMessage];
    expect(publication).toMatchObject({
      type: name,
      key: expect.stringMatching(/^orders/),
      subject: expect.stringMatching(/^cluster\/orders/),
    });
    // Unknown fields and wrong types are refused here.
    expect(() => fromJson(schema, publication?.data as JsonValue)).not.toThrow();
  });
  it.each([
    'ClusterNoted',
    'ClusterForgotten',
    'FactsReceived',
    'AssessmentRequested',
    'ExpectationEnded',
    'BaselineSet',
    'BaselineRemoved',
  ])('%s is not told', (type) => {
    expect(publishBody(type, sample(type))).toBeUndefined();
  });
  it('a finding that is waived when it comes back is not told; one whose waiver ended is', () => {
    const opened = sample('FindingOpened');
    expect(publishBody('FindingOpened', { ...opened, waived: true })).toBeUndefined();
    expect(publishBody('WaiverEnded', sample('WaiverEnded'))).toBeUndefined();
    const again = publishBody('WaiverEnded', { ...sample('WaiverEnded'), reopens: opened['finding'] });
    expect(again).toEqual(publishBody('FindingOpened', opened));
  });
});
