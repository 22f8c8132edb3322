#!/bin/sh
# The host's side of the platform driver postgres-streaming: fixed verbs on one node's PostgreSQL.
#
#   sh node.sh VERB DATA BIN LOG AUTOSTART BOOT_ID STATE SERVICE ARGUMENTS...     (run in the host's root folder)
#
# `observe` only looks (`observe ... quick` does not ask for the installed version), and so does `server-log` (what the
# server's own log says since it was last started by us). Every other verb is run by the node journal, once per key, and says in its exit code what
# happened: 0 done (or it was so already), 3 its precondition is gone and nothing was changed, anything else: look again.
#
# What is kept, below STATE: drained (out of service by us), switchover (how far it is), relaxed (for whom the
# synchronous standby names are relaxed) and relaxed.lines (what they were), pointed.lines and pointed.pgpass (what pointed
# the active node at an upstream before it was to be stopped). Each file is written beside, synced, renamed; only log-from (where the server's log was at our last start) is not, for nothing is decided by it.
#
# POSIX sh, coreutils, awk, sed. SERVICE is `pg_ctl`: PostgreSQL is started and stopped with its own tool, as the owner
# of the data folder; AUTOSTART is the file without which the host's boot does not start it.
# Deliberately absent: anything that promotes (that is SQL), and any password in an argument or in the output.

set -u
umask 077
LC_ALL=C
export LC_ALL

verb=$1 data=$2 bin=$3 log=$4 autostart=$5 boot_file=$6 state=$7 service=$8
shift 8
case $data in /*) ;; *) data=$(pwd -P)/$data ;; esac
case $bin in /*) ;; *) bin=$(pwd -P)/$bin ;; esac
case $log in /*) ;; *) log=$(pwd -P)/$log ;; esac
auto=$data/postgresql.auto.conf

fail() { printf '%s\n' "$2" >&2; exit "$1"; }
[ "$service" = pg_ctl ] || fail 64 "unknown service control: $service"
[ -d "$data" ] || fail 65 "there is no data folder $data"

now_ms() {
  clock=$(date +%s%3N)
  case $clock in *N*) clock=$(date +%s)000 ;; esac
}

# Sets pid to the postmaster of this data folder, empty when none is alive. A zombie has ended.
find_postmaster() {
  pid='' lock_data=''
  [ -r "$data/postmaster.pid" ] || return 1
  { IFS= read -r pid && IFS= read -r lock_data; } <"$data/postmaster.pid" || true
  case $pid in '' | *[!0-9]*) pid=''; return 1 ;; esac
  # A pid file that a kill or a power cut left behind may name another cluster's postmaster by now. A postmaster's working
  # folder is its data folder; dash, ash and bash know -ef. Where it cannot be read, its own word in the file has to do.
  # shellcheck disable=SC3013
  if [ -e "/proc/$pid/cwd" ]; then
    [ "/proc/$pid/cwd" -ef "$data" ] || { pid=''; return 1; }
  else
    [ "$lock_data" -ef "$data" ] || { pid=''; return 1; }
  fi
  case $(ps -o stat= -o args= -p "$pid" 2>/dev/null) in
    '' | Z*) pid=''; return 1 ;;
    *postgres*) return 0 ;;
    *) pid=''; return 1 ;;
  esac
}

find_owner() {
  # shellcheck disable=SC2046 # split on purpose: mode links owner group
  set -- $(ls -ldn "$data")
  owner=$3 group=$4
}

# Runs a program as the owner of the data folder: PostgreSQL refuses root.
as_owner() {
  find_owner
  if [ "$(id -u)" != 0 ] || [ "$owner" = 0 ]; then
    "$@"
  elif command -v setpriv >/dev/null 2>&1; then
    setpriv --reuid "$owner" --regid "$group" --clear-groups "$@"
  else
    su -m "$(id -nu "$owner")" -c 'exec "$0" "$@"' "$@"
  fi
}

give() {
  [ "$(id -u)" = 0 ] || return 0
  find_owner
  chown "$owner:$group" "$@"
}

synced() { sync "$@" 2>/dev/null || sync; }

# put FILE: standard input becomes FILE, complete or not at all, and durable.
put() {
  cat >"$1.new" && synced "$1.new" && mv -f "$1.new" "$1" && synced "$(dirname "$1")"
}

# start_service HOW...: -W does not wait; -w waits until it serves or has ended, at most the seconds of -t.
start_service() { as_owner "$bin/pg_ctl" -D "$data" -l "$log" "$@" start </dev/null >/dev/null 2>&1; }

# The postmaster's own word for it, line 8 of its pid file.
serves() { [ "$(sed -n 8p "$data/postmaster.pid" 2>/dev/null | tr -d ' ')" = ready ]; }

# stop_service SIGNAL LIMIT_MS: INT is PostgreSQL's fast shutdown, QUIT its immediate one. 1 when it is not gone by then.
# All of this is outage when the active node stops, so little is spawned: sleep, and every 100 ms a look at the clock.
# PostgreSQL removes its pid file last.
stop_service() {
  find_postmaster || return 0
  kill -"$1" "$pid" 2>/dev/null
  now_ms
  until=$((clock + $2)) turns=0
  while [ -e "$data/postmaster.pid" ] && kill -0 "$pid" 2>/dev/null; do
    turns=$(((turns + 1) % 10))
    if [ "$turns" = 0 ]; then
      now_ms
      [ "$clock" -lt "$until" ] || return 1
    fi
    sleep 0.01
  done
}

# set_lines NAMES: drops these settings from postgresql.auto.conf and appends standard input. Safe while the server runs:
# the file is replaced by a rename and read only at start and reload.
# Not complete (a full disk): the file stays as it was, and nothing after it is done.
set_lines() {
  { { [ ! -e "$auto" ] || grep -v -E "^[[:space:]]*($1)[[:space:]]*=" "$auto" || [ $? = 1 ]; } && cat; } >"$auto.new" &&
    give "$auto.new" && synced "$auto.new" && mv -f "$auto.new" "$auto" && synced "$data" && return 0
  rm -f "$auto.new"
  fail 5 'the settings could not be written'
}

reload() { if find_postmaster; then kill -HUP "$pid"; fi; }

# mark FIELD VALUE...: replaces these fields of the switchover mark, keeps the others.
mark() {
  # What cannot be read whole must not be replaced by less.
  before=''
  [ ! -e "$state/switchover" ] || before=$(cat "$state/switchover") || fail 5 'the mark could not be read'
  { [ -z "$before" ] || printf '%s\n' "$before"; while [ $# -gt 0 ]; do printf '%s=%s\n' "$1" "$2"; shift 2; done; } |
    awk -F= '{ value[$1] = $0; if (!($1 in seen)) { order[++n] = $1; seen[$1] = 1 } } END { for (i = 1; i <= n; i++) print value[order[i]] }' |
    put "$state/switchover" || fail 5 'the mark could not be written'
}

# Standard input is the password file for standbys (empty: keep what there is), $1 the settings that point at the upstream.
point() {
  cat >"$data/understudy.pgpass.new" || fail 5 'the password file could not be written'
  if [ -s "$data/understudy.pgpass.new" ]; then
    give "$data/understudy.pgpass.new" && synced "$data/understudy.pgpass.new" &&
      mv -f "$data/understudy.pgpass.new" "$data/understudy.pgpass" || fail 5 'the password file could not be written'
  else
    rm -f "$data/understudy.pgpass.new"
  fi
  # The password file's path goes into a quoted string inside a quoted setting.
  folder=$(printf '%s' "$data" | sed -e "s/'/''''/g" -e 's/[&|\\]/\\&/g')
  printf '%s\n' "$1" | sed "s|@DATA@|$folder|" | set_lines "$POINTERS"
}

POINTERS='primary_conninfo|primary_slot_name|recovery_target_timeline'

# What `point` is about to replace on a node that may stay active; once, so that a repeated stop keeps what was first.
# pointed.lines is written last: it says that all of it is there.
keep_pointers() {
  [ ! -e "$state/pointed.lines" ] || return 0
  rm -f "$state/pointed.pgpass"
  [ ! -e "$data/understudy.pgpass" ] || put "$state/pointed.pgpass" <"$data/understudy.pgpass" ||
    fail 5 'what the password file was could not be kept'
  if [ -e "$auto" ]; then lines=$(grep -E "^[[:space:]]*($POINTERS)[[:space:]]*=" "$auto") || [ $? = 1 ]; else lines=''; fi ||
    fail 5 'the settings could not be read'
  { [ -z "$lines" ] || printf '%s\n' "$lines"; } | put "$state/pointed.lines" || fail 5 'what the settings were could not be kept'
}

# Takes back what `point` did to a node that stayed active. It serves meanwhile: a primary does not look at any of it.
restore_pointers() {
  [ -e "$state/pointed.lines" ] || return 0
  set_lines "$POINTERS" <"$state/pointed.lines"
  if [ -e "$state/pointed.pgpass" ]; then
    cp "$state/pointed.pgpass" "$data/understudy.pgpass.new" && give "$data/understudy.pgpass.new" &&
      synced "$data/understudy.pgpass.new" && mv -f "$data/understudy.pgpass.new" "$data/understudy.pgpass"
  else
    rm -f "$data/understudy.pgpass"
  fi || fail 5 'the password file could not be put back'
  synced "$data"
  forget_pointers
  reload
}

forget_pointers() { rm -f "$state/pointed.lines" "$state/pointed.pgpass"; }

# What runs here afterwards can come up as nothing but a standby, or this fails and nothing may be promoted: a start after
# the second look finds the signal, one before it has its pid file there and is seen.
sign_standby() {
  ! find_postmaster || fail 3 'PostgreSQL runs here: it was started by somebody else'
  { : >"$data/standby.signal"; } && give "$data/standby.signal" && synced "$data/standby.signal" "$data" ||
    fail 5 'the signal of a standby could not be written'
  ! find_postmaster || fail 3 'PostgreSQL was started by somebody else in this moment'
}

say() { printf '%s=%s\n' "$1" "$2"; }
yes_if() { if [ -e "$2" ]; then say "$1" yes; else say "$1" no; fi; }

observe() {
  now_ms
  say clock "$clock"
  boot=''
  { IFS= read -r boot <"$boot_file"; } 2>/dev/null
  [ -n "$boot" ] || { [ ! -r "$boot_file" ] || boot=$(cat "$boot_file"); }
  say boot "$boot"
  find_postmaster && say process yes || say process no
  yes_if autostart "$autostart"
  yes_if drained "$state/drained"
  yes_if standby "$data/standby.signal"
  [ ! -e "$state/relaxed" ] || say relaxed "$(cat "$state/relaxed")"
  [ ! -e "$state/switchover" ] || sed 's/^/mark./' "$state/switchover"
  # The control file's first words: system identifier, versions, state, time, checkpoint, its redo and timeline.
  # shellcheck disable=SC2046 # split on purpose
  say control "$(echo $(od -A n -v -t u4 -N 56 "$data/global/pg_control" 2>/dev/null))"
  [ "${1:-}" = quick ] || say version "$("$bin/postgres" --version 2>/dev/null)"
  sed -n -E 's/^[[:space:]]*(primary_conninfo|primary_slot_name)[[:space:]]*=/\1=/p' "$auto" 2>/dev/null
}

case $verb in
  observe | server-log) ;;
  *) mkdir -p "$state" || fail 5 "there is no folder $state, and it cannot be made" ;;
esac
case $verb in
  observe) observe "$@" ;;
  server-log)
    from=$(cat "$state/log-from" 2>/dev/null) || from=0
    [ "$(wc -c <"$log")" -gt "$from" ] || from=0
    tail -c "+$((from + 1))" "$log" | tail -c 4096 ;;
  start)
    wc -c 2>/dev/null <"$log" >"$state/log-from" || echo 0 >"$state/log-from"
    # One that is still at it after that lives, and is waited for by looks.
    find_postmaster || start_service -w -t 2 || find_postmaster || fail 4 'it ended right after its start' ;;
  stop)
    stop_service INT "$1" || fail 4 'it is still stopping' ;;
  mark-drained)
    # The mark first: without it nobody would know who switched autostart off.
    if [ ! -e "$state/drained" ]; then
      { date -u +%Y-%m-%dT%H:%M:%SZ; [ ! -e "$autostart" ] || echo autostart; } | put "$state/drained" ||
        fail 5 'the mark could not be written'
    fi
    rm -f "$autostart" || fail 5 'the file that starts it at boot could not be removed'
    synced "$(dirname "$autostart")" ;;
  release)
    [ -e "$state/drained" ] || exit 0
    if grep -q '^autostart$' "$state/drained"; then
      put "$autostart" </dev/null || fail 5 'the file that starts it at boot could not be written'
    fi
    rm -f "$state/drained"
    synced "$state" ;;
  repoint)
    point "$1" || exit 5
    reload ;;
  mark-standby)
    ! find_postmaster || fail 3 'PostgreSQL runs here: it was started by somebody else'
    point "$1" || exit 5
    sign_standby ;;
  unmark-standby)
    find_postmaster || fail 3 'PostgreSQL does not run here'
    rm -f "$data/standby.signal" || fail 5 'the signal of a standby could not be removed'
    synced "$data" ;;
  record-position)
    # Where the WAL is now; what is written after it has to be confirmed by everybody.
    # An earlier switchover may have ended here with somebody else's start.
    restore_pointers
    now_ms
    rm -f "$state/switchover"
    mark key "$1" target "$2" fresh "$3" freshAt "$clock" round "$4" ;;
  stop-active)
    # Where it will stream from is written while it still serves: a primary does not look at it, and each sync after the
    # stop would be outage. Only the signal is left for then. A missed stop writes none.
    # With the signal there it is no active node: begun this late, it would unsay that a promotion may have begun.
    [ ! -e "$data/standby.signal" ] || fail 3 'it is marked as a standby'
    keep_pointers
    point "$2" || exit 5
    now_ms
    (mark stopAt "$clock" promoting no) || { restore_pointers; exit 5; }
    stop_service INT "$1" || { mark stopMissed yes; fail 4 "it did not stop within $1 ms"; }
    # DB_SHUTDOWNED. One that was killed may hold writes that nobody else has: it must not be taken for a standby.
    # shellcheck disable=SC2046 # split on purpose
    [ "$(echo $(od -A n -t u4 -j 16 -N 4 "$data/global/pg_control"))" = 1 ] || fail 4 'it did not end cleanly'
    sign_standby
    # The look at this disk that decides what comes next, in the same answer.
    observe quick ;;
  announce-promotion)
    # From here on only the target can tell whether it was promoted; until here nobody can have tried. A return that was
    # cut off before it took the signal away is given up with it.
    [ -e "$data/standby.signal" ] || fail 3 'it could come up as a primary'
    grep -q '^stopAt=' "$state/switchover" 2>/dev/null || fail 3 'there is no switchover under way'
    ! grep -q '^returned=yes$' "$state/switchover" || fail 3 'the switchover is over'
    mark promoting yes returning no
    observe quick ;;
  stop-at-once)
    stop_service QUIT "$1" || fail 4 'it is still stopping' ;;
  return-active)
    # Decided while no promotion had been announced, it must not happen once one has.
    [ "${1:-}" != unless-promoting ] || grep -q '^promoting=no$' "$state/switchover" 2>/dev/null ||
      fail 3 'a promotion may have begun'
    # `returning` until it serves: a start that failed or was cut off is then seen, and tried again.
    if find_postmaster; then
      # Somebody else started it, perhaps as a standby: look again.
      grep -q '^returning=yes$' "$state/switchover" 2>/dev/null && [ ! -e "$data/standby.signal" ] || exit 0
    else
      mark returning yes
      rm -f "$data/standby.signal" || fail 5 'the signal of a standby could not be removed'
      synced "$data"
      start_service -W || fail 4 'it could not be started'
    fi
    turns=0
    # Its pid file comes a moment after pg_ctl has gone, and one that a kill left behind may still say ready.
    until serves && find_postmaster; do
      turns=$((turns + 1))
      [ "$turns" -lt 100 ] || fail 4 'it does not serve yet'
      [ "$turns" -lt 25 ] || find_postmaster || fail 4 'it ended right after its start'
      sleep 0.02
    done
    restore_pointers
    mark returned yes ;;
  end-switchover)
    forget_pointers
    rm -f "$state/switchover"
    synced "$state" ;;
  relax-synchronous)
    # The old lines first, and only once: what a repeated call finds is already relaxed.
    if [ ! -e "$state/relaxed" ]; then
      if [ -e "$auto" ]; then lines=$(grep -E '^[[:space:]]*synchronous_standby_names[[:space:]]*=' "$auto") || [ $? = 1 ]; else lines=''; fi ||
        fail 5 'the settings could not be read'
      { [ -z "$lines" ] || printf '%s\n' "$lines"; } | put "$state/relaxed.lines" && printf '%s\n' "$1" | put "$state/relaxed" ||
        fail 5 'what the setting was could not be written'
    fi
    printf "synchronous_standby_names = '%s'\n" "$2" | set_lines synchronous_standby_names || exit 5
    reload ;;
  restore-synchronous)
    [ -e "$state/relaxed" ] || exit 0
    [ -r "$state/relaxed.lines" ] || fail 5 "what synchronous_standby_names was is gone ($state/relaxed.lines): set it by hand, then write that file"
    set_lines synchronous_standby_names <"$state/relaxed.lines"
    reload
    rm -f "$state/relaxed" "$state/relaxed.lines"
    synced "$state" ;;
  *) fail 64 "unknown verb: $verb" ;;
esac
