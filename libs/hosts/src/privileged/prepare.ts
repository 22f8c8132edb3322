import { HostError } from '../host-error.js';
import { HELPER, HELPER_PROGRAM } from './command.js';

/** What a host is prepared with. */
export interface Preparation {
  /** The account that Understudy logs in as; it is made where it is missing. */
  readonly user: string;
  /** The public key that it logs in with, as a line of an authorized keys file. */
  readonly publicKey: string;
  /** The systemd services that may be held, started and stopped. */
  readonly units: readonly string[];
  /** Where Patroni runs: its service, one of `units`, and its configuration file. */
  readonly patroni?: { readonly unit: string; readonly file: string };
  /** Where Redis runs: its configuration file, of which the lines on priority and master are read. */
  readonly redis?: { readonly file: string };
  /** Where Pacemaker runs: the resources that may be moved. Its services are among `units`. */
  readonly resources?: readonly string[];
}

const USER = /^[a-z_][a-z0-9_-]{0,30}$/;
const PUBLIC_KEY = /^(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) [A-Za-z0-9+/]{40,2000}={0,2}(?: [\w.@:+-]{1,100})?$/;
const UNIT = /^[A-Za-z0-9][\w.@-]{0,200}\.service$/;
const RESOURCE = /^\w[\w.-]{0,200}$/;
const FILE = /^(?:\/[\w-][\w.-]*)+$/;

/**
 * The script that prepares a host, for an admin to read and then to run there as root; again at any time, also for another release.
 * It makes the account, lets the key in, and installs the helper, its configuration and the one line of sudoers that names it.
 * @throws HostError when something of it could be read as anything else than what it is.
 */
export function prepareScript(preparation: Preparation): string {
  const { user, publicKey, units, patroni, redis, resources = [] } = checked(preparation);
  const configuration = [
    ...units.map((unit) => `unit ${unit}`),
    ...(patroni ? [`patroni ${patroni.unit} ${patroni.file}`] : []),
    ...(redis ? [`redis ${redis.file}`] : []),
    ...resources.map((resource) => `resource ${resource}`),
  ];
  return `#!/bin/sh
# Prepares this host for Understudy. Read it, then run it as root. It may be run again.
set -eu
[ "$(id -u)" = 0 ] || { echo 'Run this as root.' >&2; exit 1; }
for program in sudo visudo useradd runuser systemctl; do
  command -v "$program" >/dev/null || { echo "This host has no $program. Install it first." >&2; exit 1; }
done

# The account, and the key that it logs in with.
id -u ${user} >/dev/null 2>&1 || useradd --system --create-home --home-dir /var/lib/${user} --shell /bin/sh ${user}
home=$(getent passwd ${user} | cut -d: -f6)
# A key that this script let in before and that is another one now is let out again.
install -d -m 0755 -o root -g root /etc/understudy
before=$(cat /etc/understudy/key-${user} 2>/dev/null || true)
[ -z "$before" ] || [ "$before" = '${publicKey}' ] || ${inHomeOf(user, LET_OUT)} "$before"
${inHomeOf(user, LET_IN)} '${publicKey}'
echo '${publicKey}' >/etc/understudy/key-${user}

# The one program that it may run as root.
install -d -m 0755 -o root -g root /var/cache/understudy /var/cache/understudy/packages
cat >${HELPER}.new <<'UNDERSTUDY-HELPER'
${HELPER_PROGRAM}UNDERSTUDY-HELPER
chown root:root ${HELPER}.new
chmod 0755 ${HELPER}.new
mv ${HELPER}.new ${HELPER}

# What that program may be used for.
cat >/etc/understudy/helper.conf.new <<'UNDERSTUDY-CONFIG'
${configuration.map((line) => `${line}\n`).join('')}UNDERSTUDY-CONFIG
chmod 0644 /etc/understudy/helper.conf.new
mv /etc/understudy/helper.conf.new /etc/understudy/helper.conf

# The permission, looked at by visudo before it counts.
cat >/etc/understudy/sudoers.new <<'UNDERSTUDY-SUDOERS'
Defaults!${HELPER} env_reset, !setenv, !requiretty
${user} ALL=(root) NOPASSWD: ${HELPER}
UNDERSTUDY-SUDOERS
chmod 0440 /etc/understudy/sudoers.new
visudo -cqf /etc/understudy/sudoers.new
mv /etc/understudy/sudoers.new /etc/sudoers.d/${user}

echo 'This host is prepared. Understudy logs in as ${user} with its root folder '"$home"'.'
`;
}

/**
 * Takes away what `prepareScript` has made, but for the account and its home folder, where the journal of what was done lies. Other keys
 * that let somebody in there stay.
 */
export function removeScript(user: string): string {
  checkedUser(user);
  return `#!/bin/sh
# Takes Understudy's permissions from this host. Read it, then run it as root. The account and its home folder stay, with the journal.
set -eu
[ "$(id -u)" = 0 ] || { echo 'Run this as root.' >&2; exit 1; }
held=$(ls /etc/systemd/system/*.service.d/understudy-*.conf /etc/understudy/pacemaker/* 2>/dev/null || true)
[ -z "$held" ] || { echo "Something is still held here: $held. End the rollout, or free it with ${HELPER} unit-free UNIT or pacemaker-standby none." >&2; exit 1; }
rm -f /etc/sudoers.d/${user} ${HELPER}
home=$(getent passwd ${user} | cut -d: -f6 || true)
key=$(cat /etc/understudy/key-${user} 2>/dev/null || true)
[ -z "$home" ] || [ -z "$key" ] || ${inHomeOf(user, LET_OUT)} "$key"
rm -rf /etc/understudy /var/cache/understudy /var/lib/understudy-helper
echo 'Understudy has no permissions here any more.'
`;
}

/**
 * A script that runs in the account's home folder `$home` as the account itself: root does nothing there, for whoever has the account
 * could have laid a link to a file of root's.
 */
function inHomeOf(user: string, script: string): string {
  return `runuser -u ${user} -- sh -c 'set -eu
umask 077
cd "$1"
for path in .ssh .ssh/authorized_keys; do
  [ ! -L "$path" ] || { echo "$1/$path is a link. Look at who laid it, put the real one there, and run this again." >&2; exit 1; }
done
${script}' sh "$home"`;
}

/** Each key is a line of its own, also where the last one there has no end. */
const LET_IN = `mkdir -p .ssh
touch .ssh/authorized_keys
chmod 0700 .ssh
chmod 0600 .ssh/authorized_keys
grep -Fxq "$2" .ssh/authorized_keys || {
  [ -z "$(tail -c 1 .ssh/authorized_keys)" ] || echo >>.ssh/authorized_keys
  printf "%s\\n" "$2" >>.ssh/authorized_keys
}`;

/** That line alone: other keys were let in by somebody else. */
const LET_OUT = `[ ! -f .ssh/authorized_keys ] || {
  grep -Fxv -- "$2" .ssh/authorized_keys >.ssh/authorized_keys.new || [ "$?" -eq 1 ]
  mv .ssh/authorized_keys.new .ssh/authorized_keys
}`;

/** root needs no helper, and what lets root in is nobody's to take away. */
function checkedUser(user: string): void {
  if (!USER.test(user)) throw invalid(`"${user}" cannot be the name of an account.`);
  if (user === 'root') throw invalid('Understudy does not log in as root: name an account of its own.');
}

function checked(preparation: Preparation): Preparation {
  const { user, publicKey, units, patroni, redis, resources = [] } = preparation;
  checkedUser(user);
  if (!PUBLIC_KEY.test(publicKey))
    throw invalid('The public key is no line such as "ssh-ed25519 AAAA… name". Give the whole line.');
  const bad = units.find((unit) => !UNIT.test(unit));
  if (bad !== undefined) throw invalid(`"${bad}" cannot be the name of a systemd service, such as patroni.service.`);
  if (redis !== undefined && !FILE.test(redis.file))
    throw invalid(`"${redis.file}" cannot be the path of Redis's configuration.`);
  const strange = resources.find((resource) => !RESOURCE.test(resource));
  if (strange !== undefined) throw invalid(`"${strange}" cannot be the name of a resource of Pacemaker.`);
  if (patroni === undefined) return preparation;
  if (!units.includes(patroni.unit))
    throw invalid(`Patroni's service ${patroni.unit} is not among the services: name it there too.`);
  if (!FILE.test(patroni.file)) throw invalid(`"${patroni.file}" cannot be the path of Patroni's configuration.`);
  return preparation;
}

function invalid(message: string): HostError {
  return new HostError('host-setting-invalid', message);
}
