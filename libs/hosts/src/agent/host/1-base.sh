#!/bin/sh
# The host's side of Understudy: node journal and detached jobs, one program for every kind of access.
#
#   sh host.sh BOOT_FILE VERB ARGUMENTS...        (run in the host's root folder; BOOT_FILE is - for the kernel's boot id)
#
# It answers with one line on standard output, its first word says what happened; more output may follow. Exit code 0
# means "this is an answer"; anything else, or no line, means that nothing is known.
#
# What is kept, below .understudy/v1:
#   fence/authority     the id of the log that may act on this host; first come, changed by nobody but a person
#   fence/e.<epoch>     every epoch that was raised; the highest counts, so it can only go up
#   acts/<key>/         one act; jobs/<id>/ one job: ("/" in a key is written "!")
#     claim             key, epoch, log, time, starter; made by link(2), so exactly one caller gets to run it
#     super, pid        supervisor and command, each as: pid, its start time, boot id
#     out, err | log    what it wrote; exit: code and time, renamed into place
#
# There is no lock to go stale. A key runs once because link(2) fails for the second. An epoch is looked at again after
# the claim was made, and raising writes the epoch before anything is listed: so who raised and then looks sees every
# claim that an older epoch can still be running. A claim without an exit is never run again, whatever happened.
# Deliberately absent: removing entries, changing an authority, a shell for the caller's command.
#
# The parts of this folder, in their order, are the program; on a host it is one file, named by its digest.
# POSIX sh (dash, bash, busybox) and coreutils. Without /proc (not Linux) ps and sysctl stand in.

set -u
umask 077
LC_ALL=C
export LC_ALL

me=$0
boot_file=${1:-}
verb=${2:-}
[ $# -ge 2 ] && shift 2
base=.understudy/v1
slice_limit_ms=5000 # how long a watchdog may outlive what it watches
end_grace_ms=5000   # between TERM and KILL when a limit has passed
straggler_look_s=0.5
output_limit=65536  # bytes of an act's output that are answered
epochs_kept=64

refuse() {
  printf 'refused %s\n' "$*"
  exit 0
}

now() {
  at=$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)
  case $at in *N*) at=$(date -u +%Y-%m-%dT%H:%M:%SZ) ;; esac
}

read_boot() {
  boot=
  if [ "$boot_file" != - ]; then
    { IFS= read -r boot <"$boot_file"; } 2>/dev/null
  elif [ -r /proc/sys/kernel/random/boot_id ]; then
    IFS= read -r boot </proc/sys/kernel/random/boot_id
  else
    boot=$(sysctl -n kern.bootsessionuuid 2>/dev/null)
  fi
  case $boot in '' | *[!A-Za-z0-9._:-]*) boot=none ;; esac
}

# start_of PID: sets `start` to the process's start time, empty when it has ended (a zombie has ended).
start_of() {
  start=
  if [ -r /proc/self/stat ]; then
    line=
    { IFS= read -r line <"/proc/$1/stat"; } 2>/dev/null
    [ -n "$line" ] || return 0
    # shellcheck disable=SC2086 # split on purpose; the name in parentheses may hold anything
    set -- ${line##*) }
    case $1 in Z | X) return 0 ;; esac
    start=${20}
  else
    case $(ps -o stat= -p "$1" 2>/dev/null) in '' | Z*) return 0 ;; esac
    start=$(ps -o lstart= -p "$1" 2>/dev/null | tr -s ' ' _)
  fi
}

# lives FILE: the process noted in FILE (pid, start, boot) is still that process.
lives() {
  noted_pid='' noted_start='' noted_boot=''
  { read -r noted_pid noted_start noted_boot <"$1"; } 2>/dev/null
  [ -n "$noted_boot" ] && [ "$noted_boot" = "$boot" ] || return 1
  start_of "$noted_pid"
  [ -n "$start" ] && [ "$start" = "$noted_start" ]
}

# group_lives GROUP: a process of that group lives. It is looked up, not asked by a signal: what runs as root under sudo may not be
# signalled by us, which reads as if it were gone.
group_lives() {
  group=$1
  if [ -r /proc/self/stat ]; then
    for file in /proc/[0-9]*/stat; do
      line=
      { IFS= read -r line <"$file"; } 2>/dev/null
      # shellcheck disable=SC2086 # state, parent and group follow the name in parentheses, see start_of
      set -- ${line##*) }
      [ "${3:-}" = "$group" ] || continue
      case $1 in Z | X) ;; *) return 0 ;; esac
    done
    return 1
  fi
  ps -A -o pgid= -o stat= 2>/dev/null | while read -r pgid stat; do
    case $pgid$stat in "$group"Z*) ;; "$group"[!0-9]*) echo lives ;; esac
  done | grep -q lives
}

# left_behind: after `lives FILE` said no, because the process has ended: others of its group have not. Where another process has its
# number by now, the group was empty before.
left_behind() {
  [ -n "$noted_boot" ] && [ "$noted_boot" = "$boot" ] && [ -z "$start" ] && group_lives "$noted_pid"
}

# note_process FILE PID: writes FILE whole or not at all.
note_process() {
  start_of "$2"
  printf '%s %s %s\n' "$2" "${start:-0}" "$boot" >"$1.new" && mv -f "$1.new" "$1"
}

# within MS: begins a wait; `in_time` says whether it still lasts. By the clock, because on a busy host a look or a short sleep may
# take many times its length. The clock is the one that nobody sets.
within() {
  clock
  ends_ms=$((clock_ms + $1))
}

in_time() {
  clock
  [ "$clock_ms" -lt "$ends_ms" ]
}

clock() {
  up=
  { read -r up _ </proc/uptime; } 2>/dev/null
  case $up in
    *.??) clock_ms=$((${up%.*} * 1000 + 1${up#*.} * 10 - 1000)) ;;
    *) clock_ms=$(date +%s)000 ;;
  esac
}

seconds() { printf '%d.%03d' "$(($1 / 1000))" "$(($1 % 1000))"; }

number() { case $1 in '' | *[!0-9]* | ??????????????????*) refuse "not a number: $1" ;; esac }

# folder_of acts|jobs KEY: sets `dir`.
folder_of() {
  case $2 in '' | [!A-Za-z0-9]* | *[!A-Za-z0-9._:@+=/-]*) refuse "not a key: $2" ;; esac
  [ ${#2} -le 200 ] || refuse "key too long: $2"
  encode "$2"
  dir=$base/$1/$name
}

encode() {
  name='' rest=$1
  while :; do
    case $rest in */*) name=$name${rest%%/*}! rest=${rest#*/} ;; *) break ;; esac
  done
  name=$name$rest
}

