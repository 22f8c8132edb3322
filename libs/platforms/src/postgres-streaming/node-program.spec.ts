import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

/** The host program on a folder that only looks like PostgreSQL's: what it writes, and what it does when it cannot. */
const program = new URL('./node.sh', import.meta.url).pathname;
const SETTINGS = "port = 5433\nsynchronous_standby_names = 'b'\nprimary_slot_name = 'old'\n";
let root = '';
let started: ChildProcess[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'understudy-node-program-'));
  for (const folder of ['data', 'bin', 'other', 'state']) mkdirSync(at(folder));
  writeFileSync(at('data/postgresql.auto.conf'), SETTINGS);
  writeFileSync(at('autostart'), '');
});
afterEach(() => {
  for (const child of started) child.kill('SIGKILL');
  started = [];
  rmSync(root, { recursive: true });
});

const at = (path: string): string => join(root, path);
const read = (path: string): string => readFileSync(at(path), 'utf8');
/** Writing there fails, also for root. */
const blocked = (path: string): void => void mkdirSync(at(`${path}.new`));

function run(verb: string, ...args: readonly string[]): { readonly code: number | null; readonly said: string } {
  return runWith('', verb, ...args);
}

function runWith(
  input: string,
  verb: string,
  ...args: readonly string[]
): { readonly code: number | null; readonly said: string } {
  const argv = [program, verb, 'data', 'bin', 'log', 'autostart', '/dev/null', 'state', 'pg_ctl', ...args];
  const { status, stderr, stdout } = spawnSync('sh', argv, { cwd: root, encoding: 'utf8', input });
  return { code: status, said: stdout + stderr };
}

/** A process that calls itself postgres, in this folder; like the real one it survives the word to reload. */
function postgresIn(folder: string): number {
  const script = 'trap : HUP; while :; do sleep 0.1; done';
  const child = spawn('sh', ['-c', script], { argv0: 'postgres', cwd: at(folder), stdio: 'ignore' });
  started.push(child);
  return child.pid as number;
}

const pidFile = (pid: number): string => `${pid}\n${at('data')}\n1\n5433\n\n\n\nready   \n`;
const pgCtl = (text: string): void => writeFileSync(at('bin/pg_ctl'), `#!/bin/sh\n${text}\n`, { mode: 0o755 });

describe('whose postmaster it is', () => {
  it('is told by the folder that it works in: one of another cluster under an old number is not ours', () => {
    writeFileSync(at('data/postmaster.pid'), pidFile(postgresIn('data')));
    expect(run('observe').said).toContain('process=yes');
    const foreign = postgresIn('other');
    writeFileSync(at('data/postmaster.pid'), pidFile(foreign));
    expect(run('observe').said).toContain('process=no');
    expect(run('stop-at-once', '100').code).toBe(0);
    expect(process.kill(foreign, 0)).toBe(true);
  });
});

describe('a file that cannot be written', () => {
  it('leaves the settings as they were, and what follows undone', () => {
    blocked('data/postgresql.auto.conf');
    expect(run('repoint', "primary_slot_name = 'new'").code).toBe(5);
    expect(run('mark-standby', "primary_slot_name = 'new'").code).toBe(5);
    expect(existsSync(at('data/standby.signal'))).toBe(false);
    expect(run('relax-synchronous', 'b', '').code).toBe(5);
    expect(read('data/postgresql.auto.conf')).toBe(SETTINGS);
  });

  it('stops no active node without its mark', () => {
    const pid = postgresIn('data');
    writeFileSync(at('data/postmaster.pid'), pidFile(pid));
    blocked('state/switchover');
    expect(run('stop-active', '100', "primary_slot_name = 'new'").code).toBe(5);
    expect(process.kill(pid, 0)).toBe(true);
    expect(read('data/postgresql.auto.conf').split('\n').sort(), 'taken back').toEqual(SETTINGS.split('\n').sort());
    rmSync(at('state/switchover.new'), { recursive: true });
    blocked('data/postgresql.auto.conf');
    expect(run('stop-active', '100', "primary_slot_name = 'new'").code).toBe(5);
    expect(process.kill(pid, 0)).toBe(true);
  });

  it('keeps a node starting at boot while the mark that says so is not there', () => {
    blocked('state/drained');
    expect(run('mark-drained').code).toBe(5);
    expect(existsSync(at('autostart'))).toBe(true);
    rmSync(at('state/drained.new'), { recursive: true });
    expect(run('mark-drained').code).toBe(0);
    expect(existsSync(at('autostart'))).toBe(false);
    expect(run('release').code).toBe(0);
    expect(existsSync(at('autostart'))).toBe(true);
  });

  it('relaxes nothing that could not be restored, and forgets nothing that was not', () => {
    blocked('state/relaxed.lines');
    expect(run('relax-synchronous', 'b', '').code).toBe(5);
    expect(read('data/postgresql.auto.conf')).toBe(SETTINGS);
    rmSync(at('state/relaxed.lines.new'), { recursive: true });
    expect(run('relax-synchronous', 'b', '').code).toBe(0);
    expect(read('data/postgresql.auto.conf')).toContain("synchronous_standby_names = ''");
    const lines = read('state/relaxed.lines');
    rmSync(at('state/relaxed.lines'));
    expect(run('restore-synchronous').code).toBe(5);
    expect(existsSync(at('state/relaxed'))).toBe(true);
    writeFileSync(at('state/relaxed.lines'), lines);
    expect(run('restore-synchronous').code).toBe(0);
    expect(read('data/postgresql.auto.conf')).toContain("synchronous_standby_names = 'b'");
    expect(existsSync(at('state/relaxed'))).toBe(false);
  });
});

describe('the stop of the active node', () => {
  /** A control file of which only the state is filled: `DBState`, the fifth word. */
  const control = (state: number): void => {
    mkdirSync(at('data/global'), { recursive: true });
    const words = Buffer.alloc(56);
    words.writeUInt32LE(state, 16);
    writeFileSync(at('data/global/pg_control'), words);
  };
  const stop = (): { readonly code: number | null; readonly said: string } =>
    run('stop-active', '300', "primary_slot_name = 'new'");
  /** A postmaster that does this when it is told to stop; like the real one, it removes its pid file last. */
  const runs = (onStop: string): void => {
    const script = `trap '${onStop}' INT; while :; do sleep 0.02; done`;
    const child = spawn('sh', ['-c', script], { argv0: 'postgres', cwd: at('data'), stdio: 'ignore' });
    started.push(child);
    writeFileSync(at('data/postmaster.pid'), pidFile(child.pid as number));
  };
  const ENDS = 'rm postmaster.pid; exit';

  it('marks it as a standby and shows its disk, once it has ended cleanly', () => {
    runs(ENDS);
    control(1);
    const { code, said } = stop();
    expect(code).toBe(0);
    expect(existsSync(at('data/standby.signal'))).toBe(true);
    expect(read('data/postgresql.auto.conf')).toContain("primary_slot_name = 'new'");
    expect(said).toMatch(/process=no[^]*standby=yes[^]*mark\.stopAt=/);
    expect(said, 'no promotion has begun').toContain('mark.promoting=no');
  });

  it('leaves no mark of a standby on one that was killed: it may hold writes that nobody else has', () => {
    runs(ENDS);
    control(6);
    expect(stop()).toMatchObject({ code: 4, said: expect.stringContaining('cleanly') });
    expect(existsSync(at('data/standby.signal'))).toBe(false);
  });

  it('leaves none when it is missed', () => {
    runs('');
    control(1);
    expect(stop().code).toBe(4);
    expect(existsSync(at('data/standby.signal'))).toBe(false);
    expect(read('state/switchover')).toContain('stopMissed=yes');
  });
});

describe('a stop that was missed', () => {
  const lines = "primary_slot_name = 'new'";
  const missed = (): void => {
    run('record-position', 'r/s', 'b', '0/1', '1');
    const script = 'trap "" INT; while :; do sleep 0.02; done';
    const child = spawn('sh', ['-c', script], { argv0: 'postgres', cwd: at('data'), stdio: 'ignore' });
    started.push(child);
    writeFileSync(at('data/postmaster.pid'), pidFile(child.pid as number));
    for (let times = 0; times < 2; times++) expect(runWith('the password', 'stop-active', '100', lines).code).toBe(4);
    child.kill('SIGKILL');
    rmSync(at('data/postmaster.pid'));
  };
  const canStart = (): void => {
    writeFileSync(at('pid'), pidFile(postgresIn('data')));
    pgCtl(`cp "${at('pid')}" "${at('data/postmaster.pid')}"`);
  };

  it.each([
    ['there was none', undefined],
    ['there was one', 'the old one'],
  ])('leaves no setting and no password file changed after the way back (%s)', (_which, before) => {
    if (before !== undefined) writeFileSync(at('data/understudy.pgpass'), before);
    missed();
    expect(read('data/postgresql.auto.conf')).toContain(lines);
    expect(read('data/understudy.pgpass')).toBe('the password');
    canStart();
    expect(run('return-active').code).toBe(0);
    expect(read('data/postgresql.auto.conf').split('\n').sort()).toEqual(SETTINGS.split('\n').sort());
    expect(existsSync(at('data/understudy.pgpass')) ? read('data/understudy.pgpass') : undefined).toBe(before);
    expect(readdirSync(at('state'))).toEqual(['switchover']);
  });

  it('is called over only when they are taken back, and the next switchover does it when somebody else started the node', () => {
    missed();
    canStart();
    blocked('data/postgresql.auto.conf');
    expect(run('return-active').code).toBe(5);
    expect(read('state/switchover')).not.toContain('returned');
    rmSync(at('data/postgresql.auto.conf.new'), { recursive: true });
    expect(run('record-position', 'r/t', 'b', '0/1', '1').code).toBe(0);
    expect(read('data/postgresql.auto.conf')).not.toContain('new');
    expect(existsSync(at('data/understudy.pgpass'))).toBe(false);
    expect(readdirSync(at('state'))).toEqual(['switchover']);
  });

  it('keeps nothing of what was before once the switchover has ended', () => {
    missed();
    expect(run('end-switchover').code).toBe(0);
    expect(readdirSync(at('state'))).toEqual([]);
    expect(read('data/postgresql.auto.conf')).toContain(lines);
  });
});

describe('a promotion announced on the old active node', () => {
  const stopped = (): void => {
    run('record-position', 'r/s', 'b', '0/1', '1');
    writeFileSync(at('state/switchover'), `${read('state/switchover')}stopAt=1\npromoting=no\n`);
    writeFileSync(at('data/standby.signal'), '');
  };

  it('is in the mark and in the answer, once and again, and takes back a return that was cut off', () => {
    stopped();
    writeFileSync(at('state/switchover'), `${read('state/switchover')}returning=yes\n`);
    for (let times = 0; times < 2; times++) {
      const { code, said } = run('announce-promotion');
      expect(code).toBe(0);
      expect(said).toMatch(/standby=yes[^]*mark\.promoting=yes\nmark\.returning=no/);
    }
  });

  it('is refused where the node could come up as a primary, or the switchover is gone or over', () => {
    stopped();
    rmSync(at('data/standby.signal'));
    expect(run('announce-promotion').code).toBe(3);
    expect(read('state/switchover')).toContain('promoting=no');
    writeFileSync(at('data/standby.signal'), '');
    writeFileSync(at('state/switchover'), `${read('state/switchover')}returned=yes\n`);
    expect(run('announce-promotion').code).toBe(3);
    rmSync(at('state/switchover'));
    expect(run('announce-promotion').code).toBe(3);
    expect(existsSync(at('state/switchover'))).toBe(false);
  });

  it('fails where it could not be kept', () => {
    stopped();
    blocked('state/switchover');
    expect(run('announce-promotion').code).toBe(5);
    expect(read('state/switchover')).toContain('promoting=no');
  });

  it('is not undone by a stop that begins late, nor overruled by a way back decided before it', () => {
    stopped();
    run('announce-promotion');
    expect(run('stop-active', '100', "primary_slot_name = 'new'").code).toBe(3);
    expect(run('return-active', 'unless-promoting').code).toBe(3);
    expect(read('state/switchover')).toContain('promoting=yes');
    expect(read('state/switchover')).not.toContain('returning=yes');
    expect(existsSync(at('data/standby.signal'))).toBe(true);
    expect(read('data/postgresql.auto.conf')).toBe(SETTINGS);
  });
});

describe('the way back', () => {
  it('is marked before, and called over only when the node serves', () => {
    writeFileSync(at('data/standby.signal'), '');
    expect(run('record-position', 'r/s', 'b', '0/1', '1').code).toBe(0);
    pgCtl('exit 1');
    expect(run('return-active').code).toBe(4);
    expect(existsSync(at('data/standby.signal'))).toBe(false);
    expect(read('state/switchover')).toContain('returning=yes');
    expect(read('state/switchover')).not.toContain('returned');
    writeFileSync(at('pid'), pidFile(postgresIn('data')));
    pgCtl(`cp "${at('pid')}" "${at('data/postmaster.pid')}"`);
    expect(run('return-active').code).toBe(0);
    expect(read('state/switchover')).toMatch(/key=r\/s[^]*returning=yes\nreturned=yes\n$/);
  });

  it("does not claim a start that was somebody else's", () => {
    run('record-position', 'r/s', 'b', '0/1', '1');
    writeFileSync(at('data/postmaster.pid'), pidFile(postgresIn('data')));
    expect(run('return-active').code).toBe(0);
    expect(read('state/switchover')).not.toContain('return');
  });
});
