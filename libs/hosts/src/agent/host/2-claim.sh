# shellcheck shell=sh disable=SC2154
# Part of the host program, see 1-base.sh.

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

