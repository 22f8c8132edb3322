import { describe, expect, it } from 'vitest';
import { lastWords } from './server-log.js';

const stamp = '2026-01-01 00:00:00.000 UTC [7] ';

describe('the last words of a server', () => {
  it('are its last fatal error with what explains it', () => {
    const log = [
      `${stamp}FATAL:  an older one`,
      `${stamp}LOG:  entering standby mode`,
      `${stamp}FATAL:  recovery aborted because of insufficient parameter settings`,
      `${stamp}DETAIL:  max_wal_senders = 5 is a lower setting than on the primary server, where its value was 10.`,
      `${stamp}HINT:  You can restart the server after making the necessary configuration changes.`,
      `${stamp}LOG:  startup process (PID 9) exited with exit code 1`,
      `${stamp}FATAL:  the database system is starting up`,
      '',
    ].join('\n');
    const told = lastWords(log);
    expect(told).toContain('FATAL:  recovery aborted');
    expect(told).toContain('max_wal_senders = 5');
    expect(told).not.toMatch(/an older one|starting up|exited/);
  });

  it('are its last lines where nothing fatal was written: a loader speaks before the server does', () => {
    expect(lastWords('postgres: symbol lookup error: undefined symbol: PQresultStatus\n')).toBe(
      'postgres: symbol lookup error: undefined symbol: PQresultStatus',
    );
    expect(lastWords('')).toBe('');
    expect(lastWords('one\ntwo\nthree\nfour\n')).toBe('two | three | four');
  });

  it('carry no secret and no client statement, and have an end', () => {
    const told = lastWords(
      [
        `${stamp}STATEMENT:  alter role app password 'hunter0'`,
        `${stamp}FATAL:  could not connect: host=a password=hunter1 sslpassword='hunter two' user=x`,
        `${stamp}HINT:  see postgres://app:hunter3@a/db, api_token: hunter4`,
        `${stamp}LOG:  ${'x'.repeat(2_000)}`,
      ].join('\n'),
    );
    expect(told).not.toContain('hunter');
    expect(told).toContain('password=*** sslpassword=*** user=x');
    expect(told).toContain('postgres://***@a/db');
    expect(told.length).toBeLessThanOrEqual(600);
  });
});
