/** The driver against a real cluster on three hosts of its own. */
import { setTimeout as delay } from 'node:timers/promises';
import { activeNode, nodeNamed } from '@understudy/cluster';
import { privileged } from '@understudy/hosts';
import { eventually, PlatformSuite } from '@understudy/testing';
import {
  PACEMAKER_DATABASE,
  PACEMAKER_RESOURCE,
  PACEMAKER_SECRETS,
  PostgresClient,
  rebuildPacemakerHost,
} from '@understudy/testing/stand';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { platformContract } from '../contract.js';
import { PacemakerOnHosts } from './fixtures/on-hosts/contract.js';

const LIMIT_MS = 90_000;
const BEFORE_MS = 2_000;
const SWITCHOVERS = 10;
const SWITCHOVERS_LIMIT_MS = 900_000;

platformContract('pacemaker on three hosts', 2, () => PacemakerOnHosts.open(['pm-a', 'pm-b', 'pm-c']));

describe('pacemaker on three hosts, under a client', () => {
  const suite = new PlatformSuite(() => PacemakerOnHosts.open(['pm-d', 'pm-e', 'pm-f']));
  let clients = 0;
  beforeAll(() => suite.open());
  afterAll(() => suite.close());
  beforeEach(() => suite.settled());

  const client = (): PostgresClient =>
    new PostgresClient(
      { addresses: suite.cluster.addresses, database: PACEMAKER_DATABASE, ...PACEMAKER_SECRETS.client },
      `client_${(clients += 1)}`,
    );
  const constraints = async (): Promise<readonly string[]> => {
    const told = await suite.cluster.machine(await suite.active()).inside('cibadmin --query --scope constraints');
    return [...told.matchAll(/ id="([^"]*)"/g)].map((found) => found[1] as string).sort();
  };

  it(
    `moves the workload ${SWITCHOVERS} times without a lost write, and leaves no constraint`,
    async () => {
      const before = await constraints();
      const gapsMs: number[] = [];
      let acknowledged = 0;
      for (let n = 0; n < SWITCHOVERS; n += 1) {
        const writing = client();
        await delay(BEFORE_MS);
        const [first, second] = await suite.standbys();
        await suite.met('switchover', n % 2 === 0 ? first : second);
        const told = await writing.end();
        expect(told.lost, JSON.stringify(told)).toBe(0);
        gapsMs.push(Math.round(told.longestGapMs));
        acknowledged += told.acknowledged;
        await suite.settled();
      }
      expect(acknowledged).toBeGreaterThan(1_000);
      expect(Math.max(...gapsMs), gapsMs.join(', ')).toBeLessThan(30_000);
      expect(await constraints()).toEqual(before);
    },
    SWITCHOVERS_LIMIT_MS,
  );

  it('drains, joins and releases a standby without a failed write, and leaves nothing', async () => {
    const [standby] = await suite.standbys();
    const before = await constraints();
    const writing = client();
    await delay(BEFORE_MS);
    for (const verb of ['drain', 'join', 'release'] as const) await suite.met(verb, standby);
    expect(await writing.end()).toMatchObject({ lost: 0, failed: 0 });
    const left = await suite.cluster
      .machine(standby)
      .inside('ls -d /etc/systemd/system/{pacemaker,corosync}.service.d/* /etc/understudy/pacemaker/* 2>/dev/null || true');
    expect(left.trim()).toBe('');
    expect(await constraints()).toEqual(before);
    expect(nodeNamed(await suite.observe(), standby)?.leftovers).toEqual([]);
  });

  it('does not let a joined node be promoted before it is released, whatever becomes of the others', async () => {
    const [joined, other] = await suite.standbys();
    const old = await suite.active();
    for (const verb of ['drain', 'join'] as const) await suite.met(verb, joined);
    await suite.cluster.machine(old).powerCut();
    const active = async (): Promise<string | undefined> => activeNode(await suite.observe(), PACEMAKER_RESOURCE)?.node;
    await eventually('Pacemaker has failed over', async () => ![old, undefined].includes(await active()), LIMIT_MS);
    expect(await active()).toBe(other);
    expect(await suite.perform('drain', other)).toMatchObject({ status: 'stuck', acts: [] });
    suite.cluster.machine(old).powerOn();
    await suite.cluster.machine(old).untilUp(LIMIT_MS);
    await rebuildPacemakerHost(suite.cluster.machine(old), suite.cluster.machine(other));
    await suite.cluster.following();
    await suite.met('release', joined);
  });

  it('refuses a second standby while the first is out', async () => {
    const [first, second] = await suite.standbys();
    await suite.met('drain', first);
    expect(await suite.perform('drain', second)).toMatchObject({ status: 'stuck', acts: [] });
    for (const verb of ['join', 'release'] as const) await suite.met(verb, first);
  });

  it('refuses to move where a constraint would pull the workload away again, and says so before', async () => {
    const [next] = await suite.standbys();
    const machine = suite.cluster.machine(await suite.active());
    await machine.inside(
      `cibadmin --create --scope constraints --xml-text '<rsc_location id="likes" rsc="${PACEMAKER_RESOURCE}" role="Promoted" node="${machine.name}" score="1000"/>'`,
    );
    const result = await suite.perform('switchover', next);
    const checks = await suite.cluster.driver.preflight(suite.cluster.target(), PACEMAKER_RESOURCE, 10_000);
    await machine.inside(`cibadmin --delete --xml-text '<rsc_location id="likes"/>'`);
    expect(result.status === 'stuck' ? result.reason : JSON.stringify(result)).toContain('location constraints prefer');
    expect(result.acts).toEqual([]);
    expect(checks.filter(({ passed }) => passed !== true).map(({ check }) => check)).toEqual(['stays']);
  });

  it('leaves what resources and fence devices are told on their hosts', async () => {
    const machine = suite.cluster.machine(await suite.active());
    const planted = ['plan', 'ted-', 'in-the-cib'].join('');
    await machine.inside(
      `cibadmin --create --scope resources --xml-text '<primitive id="fence-it" class="ocf" provider="pacemaker" type="Dummy"><meta_attributes id="fence-it-meta"><nvpair id="fence-it-role" name="target-role" value="Stopped"/></meta_attributes><instance_attributes id="fence-it-attributes"><nvpair id="fence-it-passwd" name="passwd" value="${planted}"/></instance_attributes></primitive>'`,
    );
    const { hosts } = suite.cluster.target();
    const host = hosts[suite.cluster.nodes[0] as string];
    const told = await host?.access.run({ argv: privileged('pacemaker-look'), deadlineMs: 10_000 });
    const facts = await suite.cluster.driver.facts(suite.cluster.target(), (value) => value, 10_000);
    const raw = await machine.inside('cibadmin --query');
    await machine.inside(`cibadmin --delete --xml-text '<primitive id="fence-it"/>'`);
    expect(raw, 'it was there').toContain(planted);
    expect(told?.status === 'exited' ? told.stdout : '', 'its field is there').toContain('fence-it');
    expect(JSON.stringify([told, facts])).not.toContain(planted);
    expect(JSON.stringify(facts)).toContain('fence-it');
  });
});
