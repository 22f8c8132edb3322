#!/usr/bin/env bash
# Three PostgreSQL nodes under Patroni, patched and rebooted by hand: what a good engineer would write for such a night. Standbys first, a
# test of the switchover before, a look after each step, and no slack. It is the partner of `npm run bench:hosts`.
#
#   by-hand.sh SSH_CONFIG LOGIN_FILE window LEADER STANDBY STANDBY PACKAGE=VERSION...
#   by-hand.sh SSH_CONFIG LOGIN_FILE apt NODE PACKAGE=VERSION... | reboot NODE | switchover FROM TO | check NODE
#
# Names are those of the ssh configuration, root's there, and Patroni's. LOGIN_FILE: user:password of Patroni's REST API. The second form
# does one part alone. Every line on standard output: seconds since the epoch, and what was begun.
set -euo pipefail
config=$1 login=$2 verb=$3
shift 3

on() { ssh -n -F "$config" "$@"; }
note() { printf '%s %s\n' "$(date +%s.%3N)" "$*"; }
die() { printf '%s\n' "$*" >&2; exit 1; }

# until_true SECONDS WHAT COMMAND...
until_true() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || die "gave up waiting: $what"
    sleep 0.2
  done
}

replica() { on "$1" 'curl -fsS "http://127.0.0.1:8008/replica?lag=1MB" && su postgres -c "psql -Atqc \"select 1 from pg_stat_wal_receiver where status = '"'streaming'"'\"" | grep -q 1'; }
primary() { on "$1" 'curl -fsS http://127.0.0.1:8008/primary'; }

check() { # NODE: does what clients need, in the version that is meant
  note check "$1"
  on "$1" 'systemctl is-active --quiet patroni && [ -z "$(dpkg --audit)" ] && su postgres -c "psql -Atqc \"select 1\"" | grep -qx 1' ||
    die "$1 is not well"
}

switchover() { # FROM TO
  note switchover "$1" "$2"
  on "$1" "curl -fsS -u '$(cat "$login")' -XPOST http://127.0.0.1:8008/switchover -d '{\"leader\":\"$1\",\"candidate\":\"$2\"}'" >/dev/null
  until_true 60 "$2 leads" primary "$2"
  until_true 60 "$1 follows" replica "$1"
}

apt() { # NODE PACKAGE=VERSION...
  local node=$1
  shift
  note apt "$node"
  on "$node" "systemctl stop patroni && apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y --allow-downgrades \
    -o Dpkg::Options::=--force-confold install $*" >/dev/null 2>&1 || die "apt failed on $node"
}

reboot() { # NODE
  note reboot "$1"
  local before
  before=$(on "$1" 'cat /proc/sys/kernel/random/boot_id')
  on "$1" systemctl reboot || true
  ssh -F "$config" -O exit "$1" 2>/dev/null || true
  until_true 300 "$1 is back" again "$1" "$before"
  until_true 120 "$1 follows" replica "$1"
}
again() { local now; now=$(on "$1" 'cat /proc/sys/kernel/random/boot_id') && [ "$now" != "$2" ]; }

patch() { # NODE PACKAGE=VERSION...
  apt "$@"
  reboot "$1"
  check "$1"
  for package in "${@:2}"; do
    on "$1" "dpkg-query -W -f '\${Version}' ${package%%=*} | grep -qxF '${package#*=}'" || die "$1 has not got $package"
  done
}

window() { # LEADER STANDBY STANDBY PACKAGE=VERSION...
  local leader=$1 first=$2 second=$3
  shift 3
  note preflight
  primary "$leader" >/dev/null && replica "$first" >/dev/null && replica "$second" >/dev/null || die 'the cluster is not whole'
  switchover "$leader" "$first"
  check "$first"
  switchover "$first" "$leader"
  check "$leader"
  patch "$first" "$@"
  sleep 1
  patch "$second" "$@"
  sleep 1
  switchover "$leader" "$first"
  check "$first"
  sleep 1
  patch "$leader" "$@"
  note end
}

case $verb in
  window | apt | reboot | switchover | check) "$verb" "$@" ;;
  *) die "there is no $verb" ;;
esac
