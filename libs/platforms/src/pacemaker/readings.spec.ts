import { describe, expect, it } from 'vitest';
import { sampleText, snapshot, view } from './fixtures/samples/contract.js';
import { readView } from './observe.js';
import { readCib, readCrmMon, readQuorum, scoreOf, sections } from './readings.js';
import { summarise } from './summary.js';
import { activeOf, isJoined, servedBy, resourceNamed } from './topology.js';
import { readStack } from './unit.js';

const availability = (sample: Parameters<typeof snapshot>[0], change = {}): Record<string, string> =>
  Object.fromEntries(summarise(snapshot(sample, change)).nodes.map(({ node, availability: is }) => [node, is]));

describe('what Pacemaker 2.1.5 prints', () => {
  it('is read: who serves what, and what the agent offers', () => {
    const { crm } = view('healthy');
    expect(crm).toMatchObject({ dc: 'c3', hasQuorum: true, isFencing: false, noQuorumPolicy: 'stop', isMaintenance: false });
    expect(crm.members.map(({ name, isOnline }) => [name, isOnline])).toEqual([
      ['c1', true],
      ['c2', true],
      ['c3', true],
    ]);
    expect(servedBy(resourceNamed(crm.resources, 'st-clone'))).toEqual(['c3']);
    expect(servedBy(resourceNamed(crm.resources, 'webgrp'))).toEqual(['c1']);
    expect(crm.attributes['c3']).toMatchObject({ 'master-st': '10' });
  });

  it.each([
    ['node-standby', 'c1'],
    ['node-crashed', 'c3'],
    ['node-stopped-cleanly', 'c3'],
  ] as const)('of %s: %s has joined nothing', (sample, away) => {
    const seen = snapshot(sample);
    const [node] = seen.nodes.filter((each) => each.node === away);
    expect(node && isJoined(seen, 'st-clone', node)).toBe(false);
    expect(summarise(seen).nodes.filter(({ joined }) => joined)).toHaveLength(2);
  });

  it('of a failed start: what failed, where, and why', () => {
    const [failure] = view('resource-failed').crm.failures;
    expect(failure).toMatchObject({ resource: 'web', task: 'start', member: 'c2' });
    expect(failure?.what).toContain('nginx binary not found');
  });

  it('of a cluster in maintenance mode, and of one without a quorum: neither is whole', () => {
    expect(view('cluster-maintenance').crm.isMaintenance).toBe(true);
    expect(summarise(snapshot('cluster-maintenance')).disagreements.join()).toContain('maintenance mode');
    const alone = summarise(snapshot('no-quorum'));
    expect(alone.complete).toBe(false);
    expect(alone.disagreements).toContain('no part of the cluster has a quorum');
    expect(activeOf(snapshot('no-quorum'), 'st-clone')).toBeUndefined();
  });

  it('the CIB: scores, constraints and operations', () => {
    const { cib } = view('healthy');
    expect(cib).toMatchObject({ clusterName: 'debian', defaultStickiness: 100, constraints: [] });
    expect(cib.resources.find(({ id }) => id === 'st')).toMatchObject({ within: 'st-clone', type: 'ocf:pacemaker:Stateful' });
    const moved = readCib(
      '<configuration><constraints><rsc_location id="cli-prefer-webgrp" rsc="webgrp" role="Started" node="c2" score="INFINITY"/></constraints></configuration>',
    );
    expect(moved?.constraints).toEqual([
      { id: 'cli-prefer-webgrp', kind: 'rsc_location', resource: 'webgrp', member: 'c2', role: 'Started', score: 'INFINITY' },
    ]);
    expect([scoreOf('INFINITY'), scoreOf('-INFINITY'), scoreOf('50'), scoreOf('pingd')]).toEqual([1e6, -1e6, 50, null]);
  });

  it('corosync’s votes', () => {
    expect(readQuorum(sampleText('healthy', 'quorum.txt'))).toEqual({
      ...{ expected: 3, total: 3, needed: 2, isQuorate: true, flags: ['Quorate'] },
      votes: { 1: 1, 2: 1, 3: 1 },
    });
    expect(readQuorum('Cannot initialize QUORUM service')).toMatchObject({ total: null, isQuorate: null });
  });

  it.each([
    '',
    '<a',
    'Error: cluster is not available on this node',
    '<pacemaker-result><status code="102" message="Not connected"/></pacemaker-result>',
  ])('says nothing of %j', (text) => {
    expect(readCrmMon(text)).toBeUndefined();
    expect(readCib(text)).toBeUndefined();
    expect(readView(`== crm_mon 102\n${text}\n== cib 102\n\n== quorum 1\n`)).toMatchObject({ says: 'nothing' });
  });

  it('a whole look of the helper, with a program that was replaced under the running one', () => {
    const parts = [
      '== crm_mon 0',
      sampleText('healthy', 'crm_mon.xml'),
      '== cib 0',
      sampleText('healthy', 'cib.xml'),
      '== quorum 0',
    ];
    const rest = [
      sampleText('healthy', 'quorum.txt'),
      '== program-pacemaker /usr/sbin/pacemakerd (deleted)',
      '== program-corosync /usr/sbin/corosync',
    ];
    const output = [...parts, ...rest].join('\n');
    expect(readView(output)).toMatchObject({ says: 'answers', replaced: ['pacemaker'], quorum: { total: 3 } });
    expect(Object.keys(sections(output))).toEqual(['crm_mon', 'cib', 'quorum', 'program-pacemaker', 'program-corosync']);
  });
});

describe('what a host shows', () => {
  const show = (unit: string, active: string, more = ''): string =>
    `unit=${unit}\nLoadState=loaded\nActiveState=${active}\nSubState=x\nResult=success\nUnitFileState=enabled\n${more}`;
  const output = `boot=1f\n${show('pacemaker', 'inactive', 'held=yes\n')}${show('corosync', 'active')}standby=ours\nconf=${'b'.repeat(64)}  /etc/corosync/corosync.conf\npackage=pacemaker 2.1.5-1+deb12u1 ii \npackage=corosync 3.1.7 rc \n`;

  it('is read: units, marks, packages that are fully installed', () => {
    expect(readStack(output)).toMatchObject({
      ...{ seen: true, bootId: '1f', standbyIsOurs: true, corosyncConf: 'b'.repeat(64) },
      pacemaker: { activeState: 'inactive', held: true, enabled: true },
      corosync: { activeState: 'active', held: false },
      packages: { pacemaker: '2.1.5-1+deb12u1' },
    });
  });

  it('without such units is no node of a cluster', () => {
    expect(readStack(output.replaceAll('LoadState=loaded', 'LoadState=not-found'))).toMatchObject({ seen: false });
  });
});

describe('the general picture', () => {
  it('is whole where everybody sees the same', () => {
    expect(summarise(snapshot())).toMatchObject({ complete: true, disagreements: [] });
  });

  it('is not whole where one node sees another controller', () => {
    const seen = snapshot();
    const [first, ...others] = seen.nodes;
    const { view: own } = first!;
    const split = own.says === 'answers' ? { ...own, crm: { ...own.crm, dc: 'c1' } } : own;
    const told = summarise({ ...seen, nodes: [first!, { ...others[0]!, view: split }, others[1]!] });
    expect(told.complete).toBe(false);
    expect(told.disagreements.join()).toContain('c2 sees the cluster otherwise');
  });

  it('tells a node that is down from one that cannot be seen', () => {
    const stopped = { activeState: 'inactive', subState: 'dead', result: 'success', enabled: true, held: false };
    const held = { ...stopped, held: true };
    const stacks = { c3: { pacemaker: held, corosync: held } };
    expect(availability('node-stopped-cleanly', { stacks, blind: ['c3'] })).toEqual({
      c1: 'serving',
      c2: 'serving',
      c3: 'drained',
    });
    expect(
      availability('node-stopped-cleanly', { stacks: { c3: { pacemaker: stopped, corosync: stopped } }, blind: ['c3'] }),
    ).toMatchObject({ c3: 'down' });
    expect(availability('node-crashed', { blind: ['c3'] })).toMatchObject({ c3: 'unknown' });
    expect(summarise(snapshot('node-crashed', { blind: ['c3'] })).complete).toBe(false);
  });
});
