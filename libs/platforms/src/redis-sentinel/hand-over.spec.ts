import { describe, expect, it } from 'vitest';
import { isEqual, PAUSE_MS, positionIn } from './hand-over.js';
import { LEAST_DOWN_AFTER_MS } from './guards.js';
import type { Answer } from './transport.js';

const info = (role: 'master' | 'slave', offset: number, history = 'h1'): Answer => ({
  status: 'answered',
  replies: [
    role === 'master'
      ? `# Replication\r\nrole:master\r\nmaster_replid:${history}\r\nmaster_repl_offset:${offset}\r\n`
      : `# Replication\r\nrole:slave\r\nslave_repl_offset:${offset}\r\nmaster_replid:${history}\r\nmaster_repl_offset:${offset + 5}\r\n`,
  ],
});

describe('whether one has every byte of another', () => {
  it('is told by what it has applied, not by what it has received', () => {
    expect(isEqual(positionIn(info('master', 100)), positionIn(info('slave', 100)))).toBe(true);
    expect(isEqual(positionIn(info('master', 105)), positionIn(info('slave', 100)))).toBe(false);
    expect(isEqual(positionIn(info('master', 100)), positionIn(info('slave', 101)))).toBe(false);
  });

  it('cannot be told across two histories, nor where one does not answer', () => {
    const silent: Answer = { status: 'silent', reason: 'no answer' };
    const odd: Answer = { status: 'answered', replies: ['role:slave\r\nmaster_replid:h1\r\n'] };
    expect(isEqual(positionIn(info('master', 100)), positionIn(info('slave', 100, 'h2')))).toBe(false);
    for (const answer of [silent, odd]) {
      expect(isEqual(positionIn(info('master', 100)), positionIn(answer))).toBe(false);
      expect(isEqual(positionIn(answer), positionIn(answer)), 'not even with itself').toBe(false);
    }
  });

  it('is asked within less than a Sentinel waits before it takes a master for down', () => {
    expect(PAUSE_MS).toBeLessThan(LEAST_DOWN_AFTER_MS);
  });
});
