#!/bin/sh
# understudy-helper: the one program that Understudy's account on this host may run as root. Its verbs are the list at the end; every
# argument is checked against what it may be before anything runs, and everything else is fixed here. It is installed by the script that
# `npm run host:prepare` prints, belongs to root and may be written by nobody else; so does its configuration, /etc/understudy/helper.conf:
#
#   unit NAME.service       a systemd unit that the unit verbs may be used for
#   patroni UNIT FILE       Patroni's unit and its configuration file, for patroni-tag
#   redis FILE              Redis's configuration file, for redis-look
#   resource NAME           a resource of Pacemaker that may be moved and banned; the other pacemaker verbs need "unit pacemaker.service"
#
# The parts beside this one, for packages and with the list of verbs, follow it; on a host it is one file.
# Ends with 0; 64: refused, nothing was done; else with what the program that it ran ended with.

# sudo clears most of the environment, however it is set up; this clears the rest of it. Whoever runs this cannot know its process id
# beforehand.
[ "${UNDERSTUDY_CLEAN-}" = "$$" ] ||
  exec /usr/bin/env -i UNDERSTUDY_CLEAN="$$" PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C "$0" "$@"
set -u
umask 022
cd / || exit 64

CONFIG=/etc/understudy/helper.conf
SYSTEMD=/etc/systemd/system
HOLD=understudy-hold.conf
TAG=understudy-tag.conf
TAG_FOLDER=/etc/understudy/patroni.d
KEPT=/var/cache/understudy/packages
# What each item replaced, a file per NAME=VERSION: lines NAME:ARCHITECTURE NEW OLD, with - for the old version of what was new.
# Written by apt-install; apt-return brings back nothing else.
REPLACED=/var/lib/understudy-helper/replaced
# When the package lists were refreshed last, and how long that is fresh.
REFRESHED=/var/lib/understudy-helper/refreshed
FRESH_MIN=10
LOCK_WAIT_S=120
REBOOT_LIMIT_S=300
LOOK_LIMIT_S=3
LOOK_BYTES=1048576
# What of Pacemaker is ours, and what was there before.
MARKS=/etc/understudy/pacemaker

refuse() {
  printf 'understudy-helper refuses: %s\n' "$1" >&2
  exit 64
}

# Belongs to root and can be written by nobody else, it and each folder above it.
safe() {
  path=$1
  while :; do
    mode=$(stat -c '%u %a %F' -- "$path") || refuse "$1 cannot be looked at"
    case $mode in
      '0 '*[2367]' '* | '0 '*[2367]?' '*) refuse "$path can be written by others than root. Take that away: chmod go-w $path" ;;
      '0 '*'symbolic link') refuse "$path is a link" ;;
      '0 '*) ;;
      *) refuse "$path does not belong to root" ;;
    esac
    [ "$path" != / ] || return 0
    path=$(dirname -- "$path")
  done
}

# Values of one kind of line in the configuration.
configured() {
  [ -f "$CONFIG" ] || refuse "there is no $CONFIG: prepare this host again"
  safe "$CONFIG"
  sed -n "s/^$1[[:blank:]]\{1,\}//p" "$CONFIG"
}

only() {
  [ "$1" -eq "$2" ] || refuse "$3"
}

# ---------------------------------------------------------------- services

checked_unit() {
  only "$#" 1 'name one unit'
  case $1 in *[!A-Za-z0-9_.@-]* | '' | [!A-Za-z0-9]*) refuse "\"$1\" cannot be the name of a unit" ;; esac
  case $1 in *.service) ;; *) refuse "\"$1\" is no service" ;; esac
  configured unit | grep -Fxq -- "$1" || refuse "unit $1 is not in $CONFIG"
}

# Written beside and renamed: a power cut leaves the old or the new, never a part.
put() {
  mkdir -p -- "$(dirname -- "$1")" && safe "$(dirname -- "$1")" && printf '%s\n' "$2" >"$1.new" && sync -- "$1.new" &&
    mv -f -- "$1.new" "$1" && sync -- "$(dirname -- "$1")"
}

# Whoever starts it, a boot, a package or a person: it does not start before it is freed.
unit_hold() {
  checked_unit "$@"
  put "$SYSTEMD/$1.d/$HOLD" "[Unit]
# Held by Understudy while this node is drained. Taken away by: $0 unit-free $1
ConditionPathExists=/etc/understudy/nothing-is-here" || exit
  systemctl daemon-reload && systemctl stop -- "$1"
}

unit_free() {
  checked_unit "$@"
  rm -f -- "$SYSTEMD/$1.d/$HOLD" || exit
  rmdir -- "$SYSTEMD/$1.d" 2>/dev/null
  systemctl daemon-reload
}

unit_do() {
  action=$1
  shift
  checked_unit "$@"
  systemctl reset-failed -- "$1" 2>/dev/null
  systemctl "$action" -- "$1"
}

# ---------------------------------------------------------------- Patroni

# Patroni reads a folder as it reads a file: its *.yml in the order of their names, each laid over those before (patroni/config.py,
# _load_config_path, in 3.0 as in 4.x). So the tag is a file of its own beside a link to the configuration, which is left as it is.
patroni_tag() {
  only "$#" 1 'patroni-tag takes nofailover, none or check'
  set -- "$1" $(configured patroni)
  only "$#" 3 "$CONFIG names no Patroni: it needs a line \"patroni UNIT FILE\""
  checked_unit "$2"
  case $3 in /*[!A-Za-z0-9_./-]* | *..* | [!/]*) refuse "\"$3\" cannot be Patroni's configuration" ;; esac
  [ -f "$3" ] || refuse "there is no $3"
  case $1 in
    nofailover) tag "$2" "$3" ;;
    none) untag "$2" ;;
    check) patroni_program "$2" "$3" ;;
    *) refuse "\"$1\" is no tag. There are nofailover and none, and check" ;;
  esac
}

# Patroni's program in the unit, which must be started with the configuration file alone: with anything more, a start without it might fail.
patroni_program() {
  started=$(systemctl show -p ExecStart --value -- "$1" | sed -n 's/^{ path=\([^ ]*\) ; argv\[\]=\(.*\) ; ignore_errors=.*/\1 \2/p')
  program=${started%% *}
  case $started in
    "$program $program $2" | "$program $program $TAG_FOLDER") ;;
    *) refuse "$1 starts \"${started#* }\": it must start Patroni's program with $2 alone, and nothing before or after" ;;
  esac
}

tag() {
  patroni_program "$1" "$2"
  put "$TAG_FOLDER/20-understudy.yml" 'tags:
  nofailover: true' && ln -sfn -- "$2" "$TAG_FOLDER/10-own.yml" && put "$SYSTEMD/$1.d/$TAG" "[Service]
# Lets Patroni read its tag nofailover. Taken away by: $0 patroni-tag none
ExecStart=
ExecStart=$program $TAG_FOLDER" && systemctl daemon-reload
}

# The running one still reads the folder, so it is told to read that anew; its next start reads its own configuration.
untag() {
  rm -f -- "$TAG_FOLDER/20-understudy.yml" "$SYSTEMD/$1.d/$TAG" || exit
  rmdir -- "$SYSTEMD/$1.d" 2>/dev/null
  systemctl daemon-reload || exit
  [ "$(systemctl is-active -- "$1")" != active ] || systemctl kill --kill-who=main --signal=HUP -- "$1"
}

# ---------------------------------------------------------------- Redis

# The lines of Redis's configuration file that decide about its next start. Everything else in it, its passwords too, stays here. The file is
# Redis's own, so whatever it is or links to, no more than such lines are shown, and what has no end is read for a limited time and length.
redis_look() {
  only "$#" 0 'redis-look has no arguments'
  file=$(configured redis)
  case $file in '' | *[!A-Za-z0-9_./-]* | *..* | [!/]*) refuse "$CONFIG names no configuration file of Redis: it needs one line \"redis FILE\"" ;; esac
  [ -f "$file" ] || refuse "there is no $file"
  text=$(timeout "$LOOK_LIMIT_S" head -c "$LOOK_BYTES" -- "$file" | tr -d '\000') || refuse "$file cannot be read"
  [ -n "$text" ] || refuse "$file is empty, or was not read within $LOOK_LIMIT_S s"
  printf '%s\n' "$text" |
    awk 'length < 300 && NF <= 3 && tolower($1) ~ /^(replica-priority|slave-priority|replicaof|slaveof)$/'
}

