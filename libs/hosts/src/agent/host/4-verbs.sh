# shellcheck shell=sh disable=SC2154
# Part of the host program, see 1-base.sh.

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
  within "$act_limit"
  look
  while [ "$state" = running ] && in_time; do
    sleep 0.05
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
  within 5000
  while [ ! -e "$dir/super" ] && in_time; do sleep 0.02; done
  if [ -e "$dir/super" ]; then printf 'started\n'; else refuse 'the supervisor did not start'; fi
}

job_stop() { # ID GRACE_MS WAIT_MS
  folder_of jobs "$1"
  number "$2"
  number "$3"
  within "$3"
  look
  while [ "$state" = running ] && [ ! -e "$dir/pid" ] && in_time; do
    sleep 0.02
    look
  done
  if [ "$state" = running ] && { lives "$dir/pid" || left_behind; }; then
    apart sh "$me" "$boot_file" end-group "$noted_pid" "$2" </dev/null >/dev/null 2>&1 &
  fi
  while [ "$state" = running ] && in_time; do
    sleep 0.05
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
