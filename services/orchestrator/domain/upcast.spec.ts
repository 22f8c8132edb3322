import { fold } from '@understudy/decider';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { claimDecider, type ClaimEvent } from './claim/claim.js';
import { patchSetDecider, type PatchSetEvent } from './patch-set/patch-set.js';
import { playbookDecider, type PlaybookEvent } from './playbook/playbook.js';
import { type DOCUMENT_VERSIONS, upcastDocument } from './upcast.js';
import { windowDecider } from './window/decide.js';
import type { WindowEvent } from './window/window.js';

const folder = new URL('./samples/', import.meta.url);
const folded = new Set<string>();

/** A stored body, read as a store gives it back. */
function sample<E>(type: keyof typeof DOCUMENT_VERSIONS, schemaVersion = 1): E {
  const file = `${type}.v${schemaVersion}.json`;
  folded.add(file);
  const body: unknown = JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
  return upcastDocument({ type, schemaVersion, body }) as E;
}

describe('events of windows, claims, playbooks and patch sets, of every stored version', () => {
  it('fold into what they were', () => {
    const scheduled = sample<WindowEvent>('WindowScheduled');
    expect(fold(windowDecider, [scheduled]).window, 'before there were waves').toMatchObject({
      waves: [{ canary: false, clusters: ['orders'] }],
      soakMs: 0,
      failureBudget: 1,
      dependsOn: [],
    });
    const ended = (last: keyof typeof DOCUMENT_VERSIONS): string =>
      fold(windowDecider, [scheduled, sample<WindowEvent>(last)]).status;
    expect(fold(windowDecider, [scheduled, sample<WindowEvent>('WindowApproved')]).approval).toMatchObject({ by: 'ben' });
    expect([
      ended('WindowRejected'),
      ended('WindowOpened'),
      ended('WindowFrozen'),
      ended('WindowCancelled'),
      ended('WindowClosed'),
    ]).toEqual(['rejected', 'open', 'frozen', 'cancelled', 'closed']);
    const waves = [
      sample<WindowEvent>('WindowScheduled', 2),
      sample<WindowEvent>('WindowOpened'),
      ...(['WaveBegun', 'RolloutsBegun', 'WaveEnded', 'WindowHeld'] as const).map((type) => sample<WindowEvent>(type)),
    ];
    expect(fold(windowDecider, waves)).toMatchObject({
      status: 'held',
      window: { waves: [{ canary: true }, { canary: false }], dependsOn: [{ cluster: 'billing', on: ['orders'] }] },
      waves: [{ ended: { results: { failed: 1 } } }],
    });
    const on = fold(windowDecider, [...waves, sample<WindowEvent>('WindowResumed'), sample<WindowEvent>('RolloutsGivenUp')]);
    expect([on.status, on.passedOver.length, Object.keys(on.givenUp).length]).toEqual(['open', 1, 1]);
    expect(fold(windowDecider, [...waves, sample<WindowEvent>('WindowAborted')]).status).toBe('aborting');
    const claimed = sample<ClaimEvent>('HostClaimed');
    expect(fold(claimDecider, [claimed]).rollout).toBe('0195a000-0000-8000-8000-000000000002');
    expect(fold(claimDecider, [claimed, sample<ClaimEvent>('HostReleased')]).rollout).toBeNull();
    expect(fold(playbookDecider, [sample<PlaybookEvent>('PlaybookStored')]).latest).toBe(1);
    expect(fold(patchSetDecider, [sample<PatchSetEvent>('PatchSetDefined')]).patchSet?.items).toHaveLength(1);
  });

  it('are not guessed when a newer program wrote them', () => {
    expect(() => upcastDocument({ type: 'WindowOpened', schemaVersion: 2, body: {} })).toThrow('a newer one wrote it');
    expect(() => upcastDocument({ type: 'MoonRose', schemaVersion: 1, body: {} })).toThrow('MoonRose');
  });

  it('are all folded here: whatever lies among the samples was read above', () => {
    expect([...folded].sort()).toEqual(readdirSync(folder).sort());
  });
});
