import { describe, expect, it } from 'vitest';
import {
  parseConninfo,
  publicConninfo,
  quoteConninfo,
  quoteSetting,
  reduceConninfo,
  unquoteSetting,
} from '../postgres/conninfo.js';
import { stopDeadlineMsOf } from './perform.js';
import { readDisk } from './disk.js';
import { deadProgram, type SettingRow } from '../postgres/facts-query.js';
import { settingFacts } from '../postgres/facts.js';
import { formatLsn, parseLsn } from '../postgres/lsn.js';
import { formatSynchronousNames, parseSynchronousNames } from '../postgres/synchronous-names.js';
import { normaliseSetting } from '../postgres/units.js';

describe('WAL positions', () => {
  it.each(['0/0', '0/3000110', '16/B374D848', 'FF/FFFFFFFF'])('reads and writes %s', (text) => {
    expect(formatLsn(parseLsn(text))).toBe(text);
  });

  it('counts bytes across the high word', () => {
    expect(parseLsn('1/0') - parseLsn('0/FFFFFFFF')).toBe(1);
  });

  it.each(['', '16', '16/', 'x/1', '1/2/3'])('refuses "%s"', (text) => {
    expect(() => parseLsn(text)).toThrow('not a WAL position');
  });
});

describe('connection strings', () => {
  const secret = "host=10.0.0.1 port=5433 user=r password='it''s' application_name=b sslmode=require passfile=/p";

  it('are reduced to what holds no secret', () => {
    expect(publicConninfo("host=h port=1 user=u password=hush sslpassword=hush options='-c a=hush'")).toBe(
      'host=h port=1 user=u',
    );
    expect(publicConninfo('postgresql://u:hush@h:5/db?application_name=b&password=hush')).toBe(
      'host=h port=5 user=u application_name=b',
    );
    expect(publicConninfo('postgresql://[broken')).toBe('');
  });

  it('say where they point and how the link is made', () => {
    expect(reduceConninfo(parseConninfo(secret.replace("'it''s'", 'x')))).toEqual({
      host: '10.0.0.1',
      port: 5433,
      applicationName: 'b',
      link: 'sslmode=require',
    });
    expect(reduceConninfo(new Map())).toEqual({ host: null, port: null, applicationName: null, link: '' });
  });

  it('survive quoting', () => {
    const value = `a 'b' \\ c`;
    expect(parseConninfo(`passfile=${quoteConninfo(value)} host=h`).get('passfile')).toBe(value);
    expect(unquoteSetting(quoteSetting(`passfile=${quoteConninfo(value)}`))).toBe(`passfile=${quoteConninfo(value)}`);
    expect(unquoteSetting('plain')).toBe('plain');
    expect(() => quoteSetting('two\nlines')).toThrow('line break');
  });
});

describe('synchronous standby names', () => {
  it.each([
    ['', '', 0],
    ['b', 'FIRST 1 ("b")', 1],
    ['B, c', 'FIRST 1 ("b", "c")', 1],
    ['2 (b, c)', 'FIRST 2 ("b", "c")', 2],
    ['ANY 1 (b, "Odd, Name")', 'ANY 1 ("b", "Odd, Name")', 1],
    ['*', 'FIRST 1 (*)', 1],
  ])('reads "%s"', (text, written, needed) => {
    const names = parseSynchronousNames(text);
    expect(names.needed).toBe(needed);
    expect(formatSynchronousNames(names)).toBe(written);
  });
});

describe('values of configuration files', () => {
  it.each([
    ['128MB', 'integer', '8kB', '16384'],
    ['32MB', 'integer', 'kB', '32768'],
    ['1min', 'integer', 's', '60'],
    ['200ms', 'integer', 'ms', '200'],
    ['5', 'integer', null, '5'],
    ['0x10', 'integer', null, '16'],
    ['5 parsecs', 'integer', 'ms', '5 parsecs'],
    ['many', 'integer', 'ms', 'many'],
    ['0.5', 'real', null, '0.5'],
    ['yes', 'bool', null, 'on'],
    ['tr', 'bool', null, 'on'],
    ['0', 'bool', null, 'off'],
    ['off', 'bool', null, 'off'],
    ['perhaps', 'bool', null, 'perhaps'],
    ['Replica', 'enum', null, 'replica'],
    ['AbC', 'string', null, 'AbC'],
  ])('%s as %s in %s is %s', (text, type, unit, value) => {
    expect(normaliseSetting(text, type, unit)).toBe(value);
  });
});

describe('settings as facts', () => {
  const row = (change: Partial<SettingRow>): SettingRow => ({
    name: 'work_mem',
    setting: '4096',
    type: 'integer',
    unit: 'kB',
    source: 'configuration file',
    boot: '4096',
    file: '4MB',
    ...change,
  });
  const fact = (change: Partial<SettingRow>): unknown => settingFacts([row(change)], (value) => `#${value.length}`)[0];

  it('carry the value that a reload or restart will bring, and the running one where it differs', () => {
    expect(fact({})).toEqual({ area: 'setting', name: 'work_mem', value: '4096' });
    expect(fact({ file: '8MB' })).toEqual({ area: 'setting', name: 'work_mem', value: '8192', runningValue: '4096' });
    expect(fact({ setting: '9', file: null }), 'removed from the file').toMatchObject({ value: '4096', runningValue: '9' });
    expect(fact({ setting: '9', file: null, source: 'command line' })).toMatchObject({ value: '9' });
    expect(fact({ setting: 'of the session', file: null, source: 'client' }), 'our own session').toEqual({
      area: 'setting',
      name: 'work_mem',
      value: '4096',
    });
  });

  it('never show a text that is not on the list', () => {
    expect(fact({ name: 'restore_command', type: 'string', setting: 'old hush', file: 'curl -u hush' })).toEqual({
      area: 'setting',
      name: 'restore_command',
      value: '#12',
      runningValue: '#8',
      secret: true,
    });
    expect(
      fact({ name: 'primary_conninfo', type: 'string', setting: 'host=a password=hush', file: 'host=b password=hush' }),
    ).toEqual({ area: 'setting', name: 'primary_conninfo', value: 'host=b', runningValue: 'host=a' });
    expect(
      JSON.stringify(fact({ name: 'archive_command', type: 'string', setting: 'push --key hush', file: 'false' })),
    ).not.toContain('hush');
    expect(fact({ name: 'archive_command', type: 'string', setting: 'x', file: 'false' })).toMatchObject({ value: 'false' });
    expect(fact({ name: 'synchronous_standby_names', type: 'string', setting: '', file: 'b' })).toMatchObject({
      value: 'b',
      runningValue: '',
    });
  });
});

describe('archive commands that archive nothing', () => {
  it.each(['', '(disabled)', 'false', '/bin/false', 'exit 1', 'true', '/usr/bin/true', ':', 'exit 0'])('"%s"', (command) => {
    expect(deadProgram(command)).toBeDefined();
  });

  it('others may work', () => {
    expect(deadProgram('pgbackrest archive-push %p')).toBeUndefined();
  });
});

describe("the host program's answer", () => {
  it('is read whole, and an unreadable control file is said to be one', () => {
    const text = [
      'clock=10000',
      'boot=b1',
      'process=yes',
      'autostart=no',
      'drained=yes',
      'standby=yes',
      'relaxed=b',
      'mark.key=r/s',
      'mark.target=b',
      'mark.fresh=0/3E8',
      'mark.freshAt=9000',
      'mark.stopAt=9500',
      'mark.stopMissed=yes',
      'control=1 2 1300 202406281 5 0 7 0 4096 0 4000 0 3 3',
      'version=postgres (PostgreSQL) 17.9 (Debian 17.9-1.pgdg120+1)',
      "primary_conninfo= 'host=a port=5432 user=r password=hush application_name=b'",
      "primary_slot_name= 'slot_b'",
    ].join('\n');
    const read = readDisk(text);
    expect(read).toEqual({
      seen: true,
      bootId: 'b1',
      process: true,
      autostart: false,
      drained: true,
      standbySignal: true,
      relaxedFor: 'b',
      switchover: {
        key: 'r/s',
        target: 'b',
        freshLsn: 1_000,
        round: 1,
        freshAgeMs: 1_000,
        stopAgeMs: 500,
        stopMissed: true,
        promoting: true,
        returning: false,
        returned: false,
      },
      control: { systemIdentifier: String(2n * 2n ** 32n + 1n), state: 'in-archive-recovery', checkpointLsn: 4_096, timeline: 3 },
      upstream: { host: 'a', port: 5_432, applicationName: 'b', slot: 'slot_b', link: '' },
      installedVersion: '17.9',
    });
    const promoting = (said: string): unknown => readDisk(`${text}\n${said}`).switchover?.promoting;
    expect(['mark.promoting=no', 'mark.promoting=yes', 'mark.promoting='].map(promoting), 'only a plain no').toEqual([
      false,
      true,
      true,
    ]);
    expect(readDisk('clock=1\ncontrol=\nversion=')).toMatchObject({
      bootId: null,
      control: null,
      upstream: null,
      switchover: null,
      installedVersion: null,
    });
  });
});

describe('the deadline of a stop', () => {
  it.each([
    [undefined, 3_000],
    ['2000', 2_000],
    ['60', 60],
    ['60000', 8_000],
    ['0', 3_000],
    ['-5', 3_000],
    ['soon', 3_000],
  ])('%s is %s ms', (asked, expected) => {
    expect(stopDeadlineMsOf(asked === undefined ? {} : { stopDeadlineMs: asked })).toBe(expected);
  });
});
