import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Cell } from './cells.js';

const PRELOAD = pathToFileURL(join(import.meta.dirname, 'places.mjs')).href;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'understudy-crash-places-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** One process that comes to these places, one after the other. Answers the signal that it died of. */
function came(cells: readonly Cell[], ...places: readonly (readonly [place: string, detail: string])[]): string | null {
  const phases = { '04-drain-pair-b': 'standby', '05-patch-pair-b': 'standby' };
  writeFileSync(join(folder, 'order.json'), JSON.stringify({ slug: 'pair', phases, cells }));
  const said = places.map(([place, detail]) => ({ place, detail }));
  const program = `const { channel } = require('node:diagnostics_channel');
    for (const said of ${JSON.stringify(said)}) channel('understudy:crash-place').publish(said);`;
  const options = [`--import=${PRELOAD}?folder=${encodeURIComponent(folder)}`, '--eval', program];
  return spawnSync(process.execPath, options, { stdio: 'inherit' }).signal;
}

const LEASE = ['after-lease-renewed', 'orchestrator'] as const;
const INTENT = ['before-intent-committed', '04-drain-pair-b'] as const;
const ACCEPTED = ['after-act-accepted', '04-drain-pair-b'] as const;
const drain: Cell = { id: 'drain', place: 'after-act-accepted', at: 'standby/drain-b' };
const lease: Cell = { id: 'lease', place: 'after-lease-renewed', at: 'standby' };

describe('the preload that kills', () => {
  it('writes the name of the cell and then kills', () => {
    expect(came([drain], INTENT, ACCEPTED)).toBe('SIGKILL');
    expect(existsSync(join(folder, 'drain'))).toBe(true);
  });

  it('takes a cell once', () => {
    expect(came([drain], INTENT, ACCEPTED)).toBe('SIGKILL');
    expect(came([drain], INTENT, ACCEPTED)).toBeNull();
  });

  it('kills at a place of a phase once the step under way was killed at its own, also in a later process', () => {
    expect(came([drain, lease], INTENT, LEASE, ACCEPTED)).toBe('SIGKILL');
    expect(existsSync(join(folder, 'lease'))).toBe(false);
    expect(existsSync(join(folder, 'drain'))).toBe(true);
    expect(came([drain, lease], LEASE)).toBe('SIGKILL');
    expect(existsSync(join(folder, 'lease'))).toBe(true);
  });

  it('kills at a place of a phase at once where no step of it is killed, and not in another phase', () => {
    expect(came([lease], LEASE)).toBeNull();
    expect(came([lease], INTENT, LEASE)).toBe('SIGKILL');
  });

  it('leaves the places of other logs alone', () => {
    expect(came([lease], INTENT, ['after-lease-renewed', 'inventory'])).toBeNull();
  });
});
