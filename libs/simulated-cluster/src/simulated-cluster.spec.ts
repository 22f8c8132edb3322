import { describe, expect, it } from 'vitest';
import {
  attachedTo,
  beginStart,
  beginStop,
  canFollow,
  changeMark,
  checkpoint,
  createSlots,
  createWorld,
  dropSlots,
  enter,
  hostOf,
  inject,
  install,
  isAttached,
  kill,
  lostBytes,
  markDrained,
  markStandby,
  nodeOf,
  point,
  promote,
  raise,
  rebuild,
  recordEnd,
  relaxSynchronous,
  release,
  restoreSynchronous,
  setMark,
  setSynchronous,
  slotOf,
  tick,
  unmarkStandby,
  writableNodes,
  write,
  type World,
} from './index.js';

const fresh = createWorld({
  cluster: 'c',
  workload: 'app',
  version: '1.0',
  nodes: ['a', 'b', 'c'].map((node) => ({ node, host: `host-${node}` })),
});

function later(world: World, ms: number): World {
  let next = world;
  for (let at = 0; at < ms; at += 5) next = tick(next, 5);
  return next;
}

/** The planned switchover from a to b, as a driver does it. */
function switched(world: World): World {
  const stopped = later(beginStop(world, 'a'), 100);
  const marked = markStandby(stopped, 'a', 'b', slotOf('a')).world;
  const slots = createSlots(promote(marked, 'b').world, 'b', [slotOf('a'), slotOf('c')]);
  return later(point(beginStart(slots, 'a'), 'c', 'b', slotOf('c')), 200);
}

describe('a healthy cluster', () => {
  it('has one node that takes writes, and standbys that follow', () => {
    expect(writableNodes(fresh)).toEqual(['a']);
    expect(attachedTo(fresh, 'a').map(({ node }) => node)).toEqual(['b', 'c']);
    const { world, acknowledged } = write(fresh, 'a');
    expect(acknowledged).toBe(true);
    expect(nodeOf(later(world, 10), 'c').log.position).toBe(nodeOf(world, 'a').log.position);
    expect(write(world, 'b')).toEqual({ world, acknowledged: false });
  });

  it('is the same after the same history', () => {
    const history = (): World => later(switched(write(fresh, 'a').world), 300);
    expect(history()).toEqual(history());
  });

  it('knows its own names only', () => {
    expect(() => nodeOf(fresh, 'z')).toThrow('no node z');
    expect(() => hostOf(fresh, 'z')).toThrow('no host z');
  });

  it('can be empty, and can be slower', () => {
    const empty = createWorld({ cluster: 'c', workload: 'app', version: '1.0', nodes: [], pace: { startMs: 1 } });
    expect(writableNodes(empty)).toEqual([]);
    expect(empty.pace).toMatchObject({ startMs: 1, stopMs: 20 });
  });
});

describe('a planned switchover', () => {
  it('loses nothing, and everybody follows onto the new timeline', () => {
    const world = switched(write(fresh, 'a').world);
    expect(writableNodes(world)).toEqual(['b']);
    expect(lostBytes(world, 'b')).toBe(0);
    const after = later(write(world, 'b').world, 50);
    for (const node of ['a', 'c']) {
      expect(nodeOf(after, node).log).toMatchObject({ timeline: 2, position: nodeOf(after, 'b').log.position });
      expect(isAttached(after, node === 'a' ? nodeOf(after, 'a') : nodeOf(after, 'c'))).toBe(true);
    }
    expect(lostBytes(after, 'a')).toBe(0);
  });

  it('follows over two timelines at once', () => {
    const away = kill(fresh, 'c');
    const once = switched(away);
    const back = later(beginStop(once, 'b'), 100);
    const marked = markStandby(back, 'b', 'a', slotOf('b')).world;
    const again = point(createSlots(promote(marked, 'a').world, 'a', [slotOf('c')]), 'c', 'a', slotOf('c'));
    const returned = later(beginStart(again, 'c'), 200);
    expect(nodeOf(returned, 'c').log).toMatchObject({ timeline: 3, position: nodeOf(returned, 'a').log.position });
  });

  it('shows a promotion without the last writes as lost bytes, and the old node cannot follow', () => {
    const behind = inject(fresh, { fault: 'freeze', node: 'b' });
    const written = later(write(behind, 'a').world, 10);
    const lossy = promote(kill(written, 'a'), 'b').world;
    expect(lostBytes(lossy, 'b')).toBe(100);
    expect(canFollow(nodeOf(lossy, 'a'), nodeOf(lossy, 'b'))).toBe(false);
    expect(lostBytes(promote(lossy, 'c').world, 'c')).toBe(0);
  });

  it('refuses to promote what is not in recovery, and to mark what runs', () => {
    expect(promote(fresh, 'a').done).toBe(false);
    expect(promote(kill(fresh, 'b'), 'b').done).toBe(false);
    expect(markStandby(fresh, 'a', 'b', 's').done).toBe(false);
  });

  it('makes a split brain visible when somebody promotes', () => {
    expect(writableNodes(inject(fresh, { fault: 'foreign-promotion', node: 'b' }))).toEqual(['a', 'b']);
  });
});

describe('starting and stopping', () => {
  it('takes its time, and what stops or runs already is left alone', () => {
    const stopping = beginStop(fresh, 'a');
    expect(nodeOf(stopping, 'a').service.state).toBe('stopping');
    expect(beginStop(stopping, 'a')).toBe(stopping);
    expect(beginStart(fresh, 'a')).toBe(fresh);
    const stopped = later(stopping, 100);
    expect(nodeOf(stopped, 'a')).toMatchObject({ service: { state: 'stopped' }, runningVersion: null });
    expect(beginStop(stopped, 'a')).toBe(stopped);
    const started = later(beginStart(stopped, 'a'), 100);
    expect(nodeOf(started, 'a').service).toEqual({ state: 'running', recovering: false });
  });

  it('a clean stop of the active node waits for a receiver that hangs', () => {
    const hung = inject(fresh, { fault: 'freeze', node: 'c' });
    const waiting = later(beginStop(hung, 'a'), 500);
    expect(nodeOf(waiting, 'a').service.state).toBe('stopping');
    expect(nodeOf(later(inject(waiting, { fault: 'thaw', node: 'c' }), 50), 'a').service.state).toBe('stopped');
  });

  it('a standby just ends', () => {
    expect(nodeOf(later(beginStop(fresh, 'b'), 50), 'b').service.state).toBe('stopped');
  });

  it('runs what is installed from the next start on, unless that does not start', () => {
    const restart = (world: World): World => later(beginStart(later(beginStop(world, 'b'), 50), 'b'), 100);
    const patched = install(fresh, 'b', '1.1');
    expect(nodeOf(patched, 'b').runningVersion).toBe('1.0');
    expect(nodeOf(restart(patched), 'b').runningVersion).toBe('1.1');
    expect(nodeOf(restart(install(fresh, 'b', '1.1', true)), 'b').service.state).toBe('stopped');
  });
});

describe('hosts', () => {
  it('reboot with a new boot and start what is enabled', () => {
    const down = inject(fresh, { fault: 'reboot', host: 'host-b' });
    expect(hostOf(down, 'host-b')).toMatchObject({ boots: 2, upAtMs: 200 });
    expect(inject(down, { fault: 'reboot', host: 'host-b' })).toBe(down);
    expect(beginStart(down, 'b')).toBe(down);
    expect(nodeOf(later(down, 400), 'b').service).toEqual({ state: 'running', recovering: true });
    const drained = inject(markDrained(fresh, 'b'), { fault: 'reboot', host: 'host-b' });
    expect(nodeOf(later(drained, 400), 'b').service.state).toBe('stopped');
  });

  it('may never come back', () => {
    const gone = inject(fresh, { fault: 'power-off', host: 'host-a', forMs: 'for-ever' });
    expect(writableNodes(later(gone, 5_000))).toEqual([]);
    const back = inject(fresh, { fault: 'power-off', host: 'host-a', forMs: 100 });
    expect(writableNodes(later(back, 300))).toEqual(['a']);
  });

  it('lose and regain their link', () => {
    const cut = inject(fresh, { fault: 'unlink', host: 'host-a' });
    expect(hostOf(cut, 'host-a').linked).toBe(false);
    expect(inject(cut, { fault: 'unlink', host: 'host-a' })).toBe(cut);
    expect(inject(cut, { fault: 'link', host: 'host-a' })).toEqual(fresh);
  });
});

describe('faults that change nothing answer the same world', () => {
  it.each([
    ['kill', inject(fresh, { fault: 'kill', node: 'b' })],
    ['freeze', inject(fresh, { fault: 'freeze', node: 'b' })],
    ['break-release', inject(fresh, { fault: 'break-release', node: 'b' })],
    ['disable-autostart', inject(fresh, { fault: 'disable-autostart', node: 'b' })],
  ] as const)('%s', (fault, hurt) => {
    expect(hurt).not.toBe(fresh);
    expect(inject(hurt, { fault, node: 'b' })).toBe(hurt);
  });

  it('setting', () => {
    const set = inject(fresh, { fault: 'setting', node: 'b', name: 'x', value: '1' });
    expect(nodeOf(set, 'b').disk.settings).toEqual({ x: '1' });
    expect(inject(set, { fault: 'setting', node: 'b', name: 'x', value: '1' })).toBe(set);
    expect(inject(inject(fresh, { fault: 'break-release', node: 'b' }), { fault: 'mend-release', node: 'b' })).toEqual(fresh);
  });
});

describe('synchronous commits', () => {
  const synchronous = { needed: 1, names: ['b'] };

  it('are acknowledged when the standby has them, and not before', () => {
    const world = setSynchronous(fresh, 'a', synchronous);
    const { world: written, acknowledged } = write(world, 'a');
    expect(acknowledged).toBe(true);
    expect(nodeOf(written, 'b').log.position).toBe(nodeOf(written, 'a').log.position);
    expect(write(inject(world, { fault: 'freeze', node: 'b' }), 'a').acknowledged).toBe(false);
  });

  it('are relaxed once and restored', () => {
    const world = setSynchronous(fresh, 'a', synchronous);
    const none = { needed: 0, names: [] };
    const relaxed = relaxSynchronous(relaxSynchronous(world, 'a', 'b', none), 'a', 'b', none);
    expect(nodeOf(relaxed, 'a').synchronous).toEqual(none);
    expect(restoreSynchronous(relaxed, 'a')).toEqual(world);
    expect(restoreSynchronous(world, 'a')).toBe(world);
  });
});

describe('marks, slots and checkpoints', () => {
  it('are kept on the disk of their node', () => {
    expect(release(markDrained(fresh, 'b'), 'b')).toEqual(fresh);
    expect(nodeOf(unmarkStandby(fresh, 'b'), 'b').disk.standby).toBe(false);
    expect(nodeOf(dropSlots(fresh, 'a', [slotOf('b')]), 'a').slots).toEqual([slotOf('c')]);
    expect(isAttached(dropSlots(fresh, 'a', [slotOf('b')]), nodeOf(fresh, 'b')), 'without its slot').toBe(false);
    expect(isAttached(fresh, { ...nodeOf(fresh, 'b'), disk: { ...nodeOf(fresh, 'b').disk, upstream: 'gone' } })).toBe(false);
    expect(nodeOf(checkpoint(fresh, 'a'), 'a').log).toMatchObject({ checkpoint: 1_000, position: 1_100 });
    const mark = {
      key: 'k',
      target: 'b',
      freshPosition: 1,
      round: 1,
      freshAtMs: 0,
      stopAtMs: null,
      stopMissed: false,
      returning: false,
      returned: false,
    };
    expect(nodeOf(changeMark(setMark(fresh, 'a', mark), 'a', { stopMissed: true }), 'a').disk.switchover).toEqual({
      ...mark,
      stopMissed: true,
    });
    expect(changeMark(fresh, 'a', { stopMissed: true })).toBe(fresh);
  });
});

describe('the journal', () => {
  const fence = { logId: 'log', epoch: 5 };

  it('lets a key run once, and says how it ended', () => {
    const { world, entered } = enter(fresh, 'host-a', 'k/1', fence);
    expect(entered).toEqual({ status: 'begun' });
    expect(enter(world, 'host-a', 'k/1', fence).entered).toEqual({ status: 'open' });
    const ended = recordEnd(world, 'host-a', 'k/1', 0);
    expect(enter(ended, 'host-a', 'k/1', fence).entered).toEqual({ status: 'known', code: 0 });
    expect(recordEnd(ended, 'host-a', 'k/1', 7), 'a late end changes nothing').toEqual(ended);
    expect(recordEnd(ended, 'host-a', 'other', 7)).toEqual(ended);
  });

  it('never lets an epoch go back, nor another log in', () => {
    const { world, fenced } = raise(fresh, 'host-a', fence);
    expect(fenced).toBeNull();
    expect(raise(world, 'host-a', { logId: 'log', epoch: 4 }).fenced).toEqual(fence);
    expect(raise(world, 'host-a', { logId: 'foreign', epoch: 9 }).fenced).toEqual(fence);
    expect(enter(world, 'host-a', 'k/1', { logId: 'log', epoch: 4 }).entered).toEqual({ status: 'fenced', seen: fence });
  });
});

describe('what somebody does by hand', () => {
  it('power comes back only where it was gone', () => {
    const dark = inject(fresh, { fault: 'power-off', host: 'host-b', forMs: 'for-ever' });
    expect(attachedTo(later(dark, 1_000), 'a').map(({ node }) => node)).toEqual(['c']);
    const lit = later(inject(dark, { fault: 'power-on', host: 'host-b' }), 200);
    expect(attachedTo(lit, 'a').map(({ node }) => node)).toEqual(['b', 'c']);
    expect(inject(lit, { fault: 'power-on', host: 'host-b' })).toBe(lit);
  });

  it('a node that cannot follow any more follows again when it was made anew', () => {
    const split = promote(write(fresh, 'b').world, 'b').world;
    expect(canFollow(nodeOf(split, 'b'), nodeOf(split, 'a'))).toBe(false);
    const anew = later(beginStart(rebuild(split, 'b', 'a'), 'b'), 200);
    expect(writableNodes(anew)).toEqual(['a']);
    expect(attachedTo(anew, 'a').map(({ node }) => node)).toEqual(['b', 'c']);
  });
});
