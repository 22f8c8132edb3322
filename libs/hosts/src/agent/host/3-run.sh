# shellcheck shell=sh disable=SC2154
# Part of the host program, see 1-base.sh.

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
  # It has ended when nothing of it runs any more: what it left behind may still change the host. The watchdog ends that at the limit;
  # what runs as root it cannot end, and so long the job runs.
  while [ "$mode" = job ] && group_lives "$command"; do sleep "$straggler_look_s"; done
  if [ -e "$dir/limit" ]; then
    wait "$watchdog"
    [ "$mode" = act ] && return 0 # cut off in the middle: begun, and nobody can say more
    code=124
  else
    kill "$watchdog" 2>/dev/null
  fi
  now
  # What is answered, and nothing else: somebody waits for this, perhaps without service. Who ran it means nothing after a
  # power cut.
  printf '%s %s\n' "$code" "$at" >"$dir/exit.new" && mv -f "$dir/exit.new" "$dir/exit" || return 0
  if [ "$mode" = act ]; then sync "$dir/exit" "$dir/out" "$dir/err" "$dir"; else sync "$dir/exit" "$dir/log" "$dir"; fi
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
    [ -n "$start" ] && [ "$start" = "$command_start" ] || { [ "$mode" = job ] && group_lives "$command"; } || exit 0
  done
  trap '' TERM
  : >"$dir/limit"
  if [ "$mode" = act ]; then kill -s KILL -- "-$command" 2>/dev/null; else end_group "$command" "$end_grace_ms"; fi
}

end_group() { # PID GRACE_MS: TERM, then KILL
  kill -s TERM -- "-$1" 2>/dev/null
  within "$2"
  while in_time && group_lives "$1"; do sleep 0.1; done
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
  if lives "$dir/super" || lives "$dir/pid" || left_behind; then state=running; return 0; fi
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

