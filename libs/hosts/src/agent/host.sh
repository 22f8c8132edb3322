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

# note_process FILE PID: writes FILE whole or not at all.
note_process() {
  start_of "$2"
  printf '%s %s %s\n' "$2" "${start:-0}" "$boot" >"$1.new" && mv -f "$1.new" "$1"
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

# ---- fence ----------------------------------------------------------------------------------------------------------

look_at_fence() {
  authority='' top=''
  { IFS= read -r authority <"$base/fence/authority"; } 2>/dev/null
  for file in "$base"/fence/e.*; do
    [ -e "$file" ] && top=${file##*/e.}
  done
  top=${top#"${top%%[!0]*}"}
}

# let_in LOG EPOCH: ends with `fenced` when another log or a higher epoch was let in before.
let_in() {
  look_at_fence
  if [ -n "$authority" ] && [ "$authority" != "$1" ]; then fenced; fi
  if [ -n "$top" ] && [ "$2" -lt "$top" ]; then fenced; fi
  return 0
}

fenced() {
  if [ -n "${claimed:-}" ]; then
    rm -f "$claimed/claim" # ours alone, and nothing has run under it
    drop_input
  fi
  printf 'fenced %s %s\n' "${authority:-none}" "${top:-0}"
  exit 0
}

# raise LOG EPOCH: idempotent; the highest epoch counts, so that a lower one can never come back.
raise() {
  case $1 in '' | *[!A-Za-z0-9._:-]*) refuse "not a log id: $1" ;; esac
  number "$2"
  [ "$2" -gt 0 ] || refuse 'an epoch is at least 1'
  let_in "$1" "$2"
  if [ "$authority" = "$1" ] && [ "${top:-0}" -eq "$2" ] && [ -n "$top" ]; then return 0; fi
  mkdir -p "$base/fence" || refuse 'the journal folder cannot be written'
  if [ -z "$authority" ]; then
    note=$base/fence/.authority.$$
    rm -f "$note"
    { printf '%s\n' "$1" >"$note" && sync "$note"; } || refuse 'the journal cannot be written'
    ln "$note" "$base/fence/authority" 2>/dev/null
    rm -f "$note"
  fi
  : >"$base/fence/e.$(printf '%020d' "$2")" || refuse 'the journal cannot be written'
  sync "$base/fence" "$base" || refuse 'the journal cannot be made durable'
  let_in "$1" "$2"
  forget_old_epochs
}

forget_old_epochs() {
  set -- "$base"/fence/e.*
  while [ $# -gt "$epochs_kept" ]; do
    rm -f "$1"
    shift
  done
}

# ---- claim: one caller may run it -----------------------------------------------------------------------------------

# claim KEY EPOCH LOG: in `dir`. Returns 1 when somebody has it already.
claim() {
  [ ! -e "$dir/claim" ] || return 1
  mkdir -p "$dir" || refuse 'the journal folder cannot be written'
  now
  start_of $$
  note=$dir/.claim.$$
  [ ! -e "$note" ] || rm -f "$note" # a leftover of an earlier process with this pid may be a claim's other name
  printf '%s %s %s %s %s %s %s\n' "$1" "$2" "$3" "$at" "$$" "${start:-0}" "$boot" >"$note" || refuse 'the journal cannot be written'
  if ln "$note" "$dir/claim" 2>/dev/null; then
    rm -f "$note"
    claimed=$dir
    sync "$dir/claim" "$dir" "${dir%/*}" || refuse 'the journal cannot be made durable; the act was not run'
    let_in "$3" "$2" # looked at again: now every later raise can see the claim
    claimed=
    return 0
  fi
  rm -f "$note"
  [ -e "$dir/claim" ] || refuse 'the journal cannot be written'
  return 1
}

# take_input FLAG: keeps standard input for the command, readable by this user alone, until it is opened.
take_input() {
  input=-
  if [ "$1" = in ] && [ ! -e "$dir/claim" ]; then
    mkdir -p "$dir" || refuse 'the journal folder cannot be written'
    input=$dir/.in.$$
    cat >"$input" || refuse 'the input cannot be kept'
  fi
}

drop_input() {
  if [ "$input" != - ]; then rm -f "$input"; fi
}

# A shell starts what it puts behind itself (&) with INT and QUIT ignored, and nothing in POSIX sh can undo that for a
# command. So a job or act is ended by TERM and KILL; servers that want INT or QUIT set their own handlers.
#
# apart COMMAND...: called with &, the command leads a process group of its own; its pid is $!.
if command -v setsid >/dev/null 2>&1; then
  apart() { exec setsid "$@"; }
else
  case $verb in act | job-start | job-stop | supervise) set -m ;; esac
  apart() {
    trap '' HUP
    exec "$@"
  }
fi

launch() { # act|job LIMIT_MS ENV_COUNT [NAME=VALUE...] ARGV...: starts the supervisor, apart from us
  mode=$1 limit_ms=$2
  shift 2
  apart sh "$me" "$boot_file" supervise "$dir" "$mode" "$limit_ms" "$input" "$@" </dev/null >/dev/null 2>&1 &
  supervisor=$!
}

# ---- supervisor -----------------------------------------------------------------------------------------------------

supervise() { # DIR act|job LIMIT_MS INPUT ENV_COUNT [NAME=VALUE...] ARGV...
  dir=$1 mode=$2 limit_ms=$3 input=$4
  shift 4
  trap '' HUP
  note_process "$dir/super" $$
  if [ "$input" != - ]; then
    exec 3<"$input"
    rm -f "$input"
  else
    exec 3</dev/null
  fi
  if [ "$mode" = act ]; then
    apart sh "$me" "$boot_file" become "$dir" "$@" <&3 3<&- >"$dir/out" 2>"$dir/err" &
  else
    apart sh "$me" "$boot_file" become "$dir" "$@" <&3 3<&- >"$dir/log" 2>&1 &
  fi
  command=$!
  exec 3<&-
  start_of "$command"
  command_start=$start
  watch </dev/null >/dev/null 2>&1 &
  watchdog=$!
  wait "$command"
  code=$?
  if [ -e "$dir/limit" ]; then
    wait "$watchdog"
    [ "$mode" = act ] && return 0 # cut off in the middle: begun, and nobody can say more
    code=124
  else
    kill "$watchdog" 2>/dev/null
  fi
  now
  printf '%s %s\n' "$code" "$at" >"$dir/exit.new" && mv -f "$dir/exit.new" "$dir/exit" && sync "$dir"/* "$dir"
}

watch() {
  nap=
  trap '[ -z "$nap" ] || kill "$nap" 2>/dev/null; exit 0' TERM
  left=$limit_ms
  while [ "$left" -gt 0 ]; do
    slice=$left
    [ "$slice" -le "$slice_limit_ms" ] || slice=$slice_limit_ms
    sleep "$(seconds "$slice")" &
    nap=$!
    wait "$nap"
    left=$((left - slice))
    start_of "$command"
    [ -n "$start" ] && [ "$start" = "$command_start" ] || exit 0
  done
  trap '' TERM
  : >"$dir/limit"
  if [ "$mode" = act ]; then kill -s KILL -- "-$command" 2>/dev/null; else end_group "$command" "$end_grace_ms"; fi
}

end_group() { # PID GRACE_MS: TERM, then KILL
  kill -s TERM -- "-$1" 2>/dev/null
  left=$2
  while [ "$left" -gt 0 ] && kill -s 0 -- "-$1" 2>/dev/null; do
    sleep 0.1
    left=$((left - 100))
  done
  kill -s KILL -- "-$1" 2>/dev/null
}

become() { # DIR ENV_COUNT [NAME=VALUE...] ARGV...: turns into the command, after leaving word of itself
  start_of $$
  printf '%s %s %s\n' "$$" "${start:-0}" "$boot" >"$1/pid" || exit 126
  shift
  count=$1
  shift
  while [ "$count" -gt 0 ]; do
    # shellcheck disable=SC2163 # the value is NAME=VALUE
    export "$1"
    shift
    count=$((count - 1))
  done
  umask 022
  exec "$@"
}

# ---- what is known of a claim ---------------------------------------------------------------------------------------

# look: sets `state` to absent, running, exited or lost, with begun_at, code, ended_at.
look() {
  state=absent code='' ended_at=''
  [ -e "$dir/claim" ] || return 0
  read_claim
  if read_exit; then state=exited; return 0; fi
  if [ "$starter_boot" = "$boot" ]; then
    start_of "$starter"
    if [ -n "$start" ] && [ "$start" = "$starter_start" ]; then state=running; return 0; fi
  fi
  if lives "$dir/super" || lives "$dir/pid"; then state=running; return 0; fi
  if read_exit; then state=exited; else state=lost; fi
}

# A supervisor needs a moment between the end of its starter and its own note, so `lost` is looked at twice.
look_twice() {
  look
  if [ "$state" = lost ]; then
    sleep 0.3
    look
  fi
  case $state in exited | lost) rm -f "$dir"/.in.* ;; esac
}

read_claim() {
  key='' epoch='' log='' begun_at='' starter='' starter_start='' starter_boot=''
  { read -r key epoch log begun_at starter starter_start starter_boot <"$dir/claim"; } 2>/dev/null
  begun_at=${begun_at:-1970-01-01T00:00:00Z} starter=${starter:-0}
}

read_exit() {
  code='' ended_at=''
  [ -e "$dir/exit" ] || return 1
  { read -r code ended_at <"$dir/exit"; } 2>/dev/null
  case $code in '' | *[!0-9]*) return 1 ;; esac
  [ -n "$ended_at" ]
}

answer_state() {
  case $state in
    absent) printf 'absent\n' ;;
    exited) printf 'exited %s %s %s\n' "$code" "$begun_at" "$ended_at" ;;
    *) printf '%s %s\n' "$state" "$begun_at" ;;
  esac
}

answer_act() { # yes|no: whether it is told again
  printf 'ended %s %s\n' "$code" "$1"
  head -c "$output_limit" "$dir/out" 2>/dev/null
  head -c "$output_limit" "$dir/err" >&2 2>/dev/null
}

# ---- verbs ----------------------------------------------------------------------------------------------------------

act() { # KEY LOG EPOCH LIMIT_MS in|- ARGV...
  folder_of acts "$1"
  number "$4"
  raise "$2" "$3"
  take_input "$5"
  act_key=$1 act_log=$2 act_epoch=$3 act_limit=$4
  shift 5
  if claim "$act_key" "$act_epoch" "$act_log"; then
    launch act "$act_limit" 0 "$@"
    wait "$supervisor"
    if read_exit; then answer_act no; else printf 'unknown it was cut off at its deadline, or ended by force\n'; fi
    return 0
  fi
  drop_input
  left=$act_limit
  look
  while [ "$state" = running ] && [ "$left" -gt 0 ]; do
    sleep 0.05
    left=$((left - 50))
    look
  done
  case $state in
    exited) answer_act yes ;;
    running) printf 'unknown begun at %s and still running\n' "$begun_at" ;;
    *) printf 'unknown begun at %s, no end is recorded\n' "$begun_at" ;;
  esac
}

# An act over another channel (SQL, an API): the caller enters it, performs it once, and says how it ended.

begin() { # KEY LOG EPOCH
  folder_of acts "$1"
  raise "$2" "$3"
  input=-
  if claim "$1" "$3" "$2"; then
    printf 'begun\n'
    return 0
  fi
  read_claim
  if read_exit; then printf 'known %s\n' "$code"; else printf 'unknown begun at %s, no end is recorded\n' "$begun_at"; fi
}

end() { # KEY CODE: a fact, so no epoch forbids it; the first end stays
  folder_of acts "$1"
  number "$2"
  [ -e "$dir/claim" ] || refuse 'it was never begun here'
  note=$dir/.exit.$$
  now
  rm -f "$note"
  printf '%s %s\n' "$2" "$at" >"$note" || refuse 'the journal cannot be written'
  read_exit || rm -f "$dir/exit" # torn by a power cut: it says nothing
  ln "$note" "$dir/exit" 2>/dev/null
  rm -f "$note"
  sync "$dir/exit" "$dir" || refuse 'the journal cannot be made durable'
  printf 'recorded\n'
}

job_start() { # ID LOG EPOCH LIMIT_MS in|- ENV_COUNT [NAME=VALUE...] ARGV...
  folder_of jobs "$1"
  number "$4"
  number "$6"
  raise "$2" "$3"
  take_input "$5"
  job_id=$1 job_log=$2 job_epoch=$3 job_limit=$4
  shift 5
  if ! claim "$job_id" "$job_epoch" "$job_log"; then
    drop_input
    printf 'known\n'
    return 0
  fi
  launch job "$job_limit" "$@"
  left=5000
  while [ ! -e "$dir/super" ] && [ "$left" -gt 0 ]; do
    sleep 0.02
    left=$((left - 20))
  done
  if [ -e "$dir/super" ]; then printf 'started\n'; else refuse 'the supervisor did not start'; fi
}

job_stop() { # ID GRACE_MS WAIT_MS
  folder_of jobs "$1"
  number "$2"
  number "$3"
  left=$3
  look
  while [ "$state" = running ] && [ ! -e "$dir/pid" ] && [ "$left" -gt 0 ]; do
    sleep 0.02
    left=$((left - 20))
    look
  done
  if [ "$state" = running ] && lives "$dir/pid"; then
    apart sh "$me" "$boot_file" end-group "$noted_pid" "$2" </dev/null >/dev/null 2>&1 &
  fi
  while [ "$state" = running ] && [ "$left" -gt 0 ]; do
    sleep 0.05
    left=$((left - 50))
    look
  done
  look_twice
  answer_state
}

job_output() { # ID FROM_BYTE MAX_BYTES
  folder_of jobs "$1"
  number "$2"
  number "$3"
  [ -e "$dir/claim" ] || refuse 'there is no such job'
  printf 'read\n'
  [ ! -e "$dir/log" ] || tail -c "+$(($2 + 1))" "$dir/log" | head -c "$3" | base64
}

entries() { # PREFIX
  case $1 in *[!A-Za-z0-9._:@+=/-]*) refuse "not a prefix: $1" ;; esac
  encode "$1"
  printf 'read\n'
  for dir in "$base"/acts/"$name"*; do
    [ -e "$dir/claim" ] || continue
    read_claim
    read_exit || code='' ended_at=''
    encoded=${dir##*/}
    # A claim torn by a power cut still has its name.
    printf '%s %s %s %s %s\n' "$encoded" "${epoch:-0}" "$begun_at" "${code:--}" "${ended_at:--}"
  done
}

read_boot
case $verb in
  raise) raise "$1" "$2" && printf 'raised\n' ;;
  act) act "$@" ;;
  begin) begin "$@" ;;
  end) end "$@" ;;
  entries) entries "$1" ;;
  job-start) job_start "$@" ;;
  job-state)
    folder_of jobs "$1"
    look_twice
    answer_state
    ;;
  job-stop) job_stop "$@" ;;
  job-output) job_output "$@" ;;
  boot-id) printf 'boot %s\n' "$boot" ;;
  supervise) supervise "$@" ;;
  become) become "$@" ;;
  end-group) end_group "$1" "$2" ;;
  *) refuse "not a verb: $verb" ;;
esac
exit 0
