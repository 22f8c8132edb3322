/** Facts of a real Debian with its own systemd, over SSH, as the account that may do nothing. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DEADLINE_MS, PreparedHost } from '../privileged/fixtures/on-hosts/contract.js';
import { collectHostFacts } from './facts.js';

let under: PreparedHost;

beforeAll(async () => {
  under = await PreparedHost.make('facts', [{ name: 'plain', version: '1.0' }], ['plain=1.0']);
}, 180_000);

afterAll(() => under?.close());

async function facts(): Promise<Readonly<Record<string, string | null>>> {
  const collected = await collectHostFacts(under.open(), DEADLINE_MS);
  if (collected.status !== 'collected') throw new Error(collected.reason);
  return collected.facts;
}

it('tell what the host starts, what has failed, what is set for the next boot and who else changes it', async () => {
  const before = await facts();
  expect(before).toMatchObject({ 'os.id': 'debian', 'service.ssh.service': 'enabled', 'packages.unfinished': '0' });
  expect(await facts()).toEqual(before);
  const unit = (command: string): string => `[Service]\\nExecStart=${command}\\n[Install]\\nWantedBy=multi-user.target\\n`;
  await under.machine.inside(`set -e
    printf '${unit('/bin/false')}' > /etc/systemd/system/broken.service
    printf '${unit('/bin/sleep 600')}' > /etc/systemd/system/puppet.service
    systemctl daemon-reload
    systemctl enable puppet.service
    systemctl mask cron.service
    systemctl start broken.service || true
    # What the package unattended-upgrades lays there.
    install -m 755 /bin/true /usr/bin/unattended-upgrade
    echo 'APT::Periodic::Unattended-Upgrade "1";' > /etc/apt/apt.conf.d/20auto-upgrades
    systemctl unmask apt-daily-upgrade.timer
    systemctl enable apt-daily-upgrade.timer
    echo 'vm.swappiness = 1' > /etc/sysctl.d/90-database.conf
    echo '127.0.1.1 another-name' >> /etc/hosts`);
  const after = await facts();
  const changed = Object.keys({ ...before, ...after }).filter((name) => before[name] !== after[name]);
  expect(changed.filter((name) => name !== 'service.apt-daily-upgrade.timer').sort()).toEqual([
    'automation.puppet',
    'automation.unattended-upgrades',
    'config./etc/sysctl.d',
    'failed.broken.service',
    'service.cron.service',
    'service.puppet.service',
  ]);
  expect(after).toMatchObject({
    'automation.puppet': 'on',
    'automation.unattended-upgrades': 'on',
    'failed.broken.service': 'yes',
    'service.cron.service': 'masked',
    'service.puppet.service': 'enabled',
  });
}, 60_000);
