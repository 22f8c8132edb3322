# Patches one package with apt. Runs as Understudy's account in the host's root folder; what needs root is asked of the helper.
# sh -s -- look HELPER HELPER_VERSION NAME TARGET | verify NAME TARGET | apply HELPER NAME TARGET [NAME:ARCHITECTURE=VERSION...] | back HELPER NAME TARGET PREVIOUS
set -u
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
unset APT_CONFIG
KEPT=/var/cache/understudy/packages
# What each item replaced, as the helper noted it, for its way back.
REPLACED=/var/lib/understudy-helper/replaced
# Of the last refresh that the helper did well, and what the last one said to us.
REFRESHED=/var/lib/understudy-helper/refreshed
SAID=.understudy/apt-refresh
FRESH_MIN=10

say() { printf '%s\n' "$*"; }
fail() {
  say "$*" >&2
  exit 1
}

# dpkg's word on a package of this host's own architecture, such as "installed ok 1.0", whatever is wanted of it: held or not.
status_of() {
  dpkg-query -W -f '${Architecture} ${db:Status-Status} ${db:Status-Eflag} ${Version}\n' -- "$1" 2>/dev/null |
    awk -v native="$(dpkg --print-architecture)" '$1 == native || $1 == "all" { print $2, $3, $4; exit }'
}

installed() { status_of "$1" | sed -n 's/^installed ok //p'; }

# NAME:ARCHITECTURE NEW [OLD] for each package that the item changes. apt names an architecture that is not this host's own twice.
closure() {
  sed -n 's/^Inst \([^ :]*\)[^ ]* \[\([^]]*\)\] (\([^ ]*\) .*\[\([^]]*\)\]).*$/\1:\4 \3 \2/p; s/^Inst \([^ :]*\)[^ ]* (\([^ ]*\) .*\[\([^]]*\)\]).*$/\1:\3 \2/p'
}

simulate() { apt-get -s -q --no-remove --no-install-recommends install "$1=$2" 2>&1; }

# Who holds dpkg's lock, by the kernel's own list of locks; empty: nobody.
lock_holder() {
  for file in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock; do
    inode=$(stat -c %i "$file" 2>/dev/null) || continue
    pid=$(awk -v inode=":$inode" 'index($6, inode) && substr($6, length($6) - length(inode) + 1) == inode { print $5; exit }' /proc/locks)
    [ -n "$pid" ] || continue
    say "process $pid ($(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | cut -c1-80))"
    return
  done
}

# Whether a file of NAME:ARCHITECTURE in that version is kept; the helper looks it through before it counts on it.
kept() {
  for architecture in "${1#*:}" all; do
    file=$KEPT/${1%%:*}_$(say "$2" | sed 's/:/%3a/g')_$architecture.deb
    [ "$(dpkg-deb -W --showformat='${Package} ${Version}' "$file" 2>/dev/null)" != "${1%%:*} $2" ] || return 0
  done
  return 1
}

fresh() { [ -n "$(find "$REFRESHED" -mmin "-$FRESH_MIN" 2>/dev/null)" ]; }

# A version that is new in the archive is found, and what is told now is what will be had. The refresh goes on when this look is over; the
# next one then finds it done.
lists() {
  if ! fresh; then
    mkdir -p "${SAID%/*}" && rm -f "$SAID"
    # shellcheck disable=SC2016
    setsid sh -c 'sudo -n "$1" apt-refresh >"$2.$$" 2>&1; code=$?
      [ "$code" -eq 75 ] || { tail -n 3 "$2.$$" >"$2.$$.end"; mv "$2.$$.end" "$2"; }
      rm -f "$2.$$"' sh "$1" "$SAID" </dev/null >/dev/null 2>&1 &
    left_ms=2000
    until fresh || [ -e "$SAID" ] || [ "$left_ms" -le 0 ]; do
      sleep 0.1
      left_ms=$((left_ms - 100))
    done
  fi
  if fresh; then
    say "lists yes refreshed at $(date -ur "$REFRESHED" +%Y-%m-%dT%H:%M:%SZ)"
  elif [ -e "$SAID" ]; then
    say "lists no the package lists could not be refreshed: $(tr '\n' ' ' <"$SAID" | cut -c1-500)"
  else
    say 'lists unclear the package lists are being refreshed'
  fi
}

look() {
  helper=$1 helper_version=$2 name=$3 target=$4
  say "installed $(installed "$name")"
  # What sudo warns of, such as a host name that it cannot resolve, is no answer.
  found=$(sudo -n "$helper" version 2>/dev/null) || found=$(sudo -n "$helper" version 2>&1)
  case $found in
    "$helper_version") say 'helper yes the helper is this release’s' ;;
    ????????????????????????????????????????????????????????????????) say 'helper no the helper on this host is of another release. Prepare it again with the script that npm run host:prepare prints' ;;
    *) say "helper no the helper cannot be run ($(say "$found" | head -1)). Prepare it with the script that npm run host:prepare prints" ;;
  esac
  lists "$helper"
  audit=$(dpkg --audit 2>&1 | head -3 | tr '\n' ' ')
  if [ -n "$audit" ]; then say "dpkg no packages are half installed: $audit"; else say 'dpkg yes no package is half installed'; fi
  holder=$(lock_holder)
  if [ -n "$holder" ]; then say "lock no dpkg is in use by $holder"; else say 'lock yes nobody uses dpkg'; fi
  if [ "$(installed "$name")" = "$target" ]; then
    say "transaction yes $name $target is installed already"
    say 'held yes nothing is held'
    say 'disk yes nothing is fetched'
    if [ -f "$REPLACED/$name=$target" ]; then way_back "$(cat "$REPLACED/$name=$target")" kept; else say 'way-back no the old version is not known any more'; fi
    return
  fi
  if ! simulated=$(simulate "$name" "$target"); then
    say "transaction no apt would not do it: $(say "$simulated" | grep '^E:' | head -3 | tr '\n' ' ')"
    say 'way-back no there is no transaction to come back from'
    return
  fi
  changes=$(say "$simulated" | closure)
  say "transaction yes $(say "$changes" | grep -c .) packages change: $(say "$changes" | awk '{ printf "%s %s -> %s; ", $1, ($3 == "" ? "none" : $3), $2 }' | cut -c1-1500)"
  say "closure $(say "$changes" | awk '{ printf "%s%s=%s", (NR > 1 ? " " : ""), $1, $2 }')"
  holds=$(apt-mark showhold 2>/dev/null | while read -r held; do
    say "$changes" | awk -v held="$held" '{ split($1, name, ":"); if (name[1] == held || $1 == held) printf "%s ", held }'
  done)
  if [ -n "$holds" ]; then say "held no on hold: $holds"; else say 'held yes nothing of it is on hold'; fi
  disk "$name" "$target" "$changes"
  way_back "$changes"
}

disk() {
  bytes=$(apt-get -q --print-uris --no-install-recommends -y install "$1=$2" 2>/dev/null | awk '/^.http|^.file|^.copy|^.cdrom/ { sum += $3 } END { printf "%d", sum }')
  need_kib=$((bytes / 1024 * 6 + 65536))
  for place in /var/cache/apt /usr; do
    free_kib=$(df -Pk "$place" | awk 'NR == 2 { print $4 }')
    [ "${free_kib:-0}" -ge "$need_kib" ] || {
      say "disk no $place has $((free_kib / 1024)) MiB free, and $((need_kib / 1024)) MiB are wanted"
      return
    }
  done
  case $3 in
    *linux-image*)
      free_kib=$(df -Pk /boot | awk 'NR == 2 { print $4 }')
      [ "${free_kib:-0}" -ge 204800 ] || {
        say "disk no /boot has $((free_kib / 1024)) MiB free, and a kernel wants 200 MiB"
        return
      }
      ;;
  esac
  say "disk yes there is room for $((need_kib / 1024)) MiB"
}

# The way back is from kept files, and takes nothing away: a package that is new would stay, and a kernel that stays is booted.
way_back() {
  new=$(say "$1" | awk 'NF && ($3 == "" || $3 == "-") { printf "%s ", $1 }')
  [ -z "$new" ] || { say "way-back no ${new}would stay: new with this patch, and the way back takes nothing away"; return; }
  missing=$(say "$1" | while read -r name new old; do
    [ -n "$name" ] || continue
    kept "$name" "$old" || { [ "${2:-}" != kept ] && in_archive "$name" "$old"; } || printf '%s=%s ' "$name" "$old"
  done)
  if [ -n "$missing" ]; then
    say "way-back no neither kept here nor in the archive any more: $missing"
  else
    say 'way-back yes every package that is replaced is kept here, or in the archive and kept before it is replaced'
  fi
}

# Only what is installed can be kept: where the architecture changes with the version, the old package has another name.
in_archive() {
  [ "$(dpkg-query -W -f '${Version}' -- "$1" 2>/dev/null)" = "$2" ] &&
    apt-cache madison "${1%%:*}" 2>/dev/null | awk -F' *[|] *' -v old="$2" '$2 == old { found = 1 } END { exit !found }'
}

# What is replaced is kept first: where that was said to be possible and is not, nothing is changed. Where it was known that there is no
# way back, the plan goes without one, and what can be kept is.
keep_replaced() {
  old=$(say "$2" | awk '$3 != "" { print $1 "=" $3 }')
  [ -n "$old" ] || return 0
  back=$(way_back "$2")
  case $back in
    'way-back yes '*)
      # shellcheck disable=SC2086
      sudo -n "$1" apt-keep $old || fail 'what is replaced could not be kept; nothing was changed'
      ;;
    *)
      say "there is no way back from this: ${back#way-back no }"
      for package in $old; do sudo -n "$1" apt-keep "$package" || say "$package is not kept"; done
      ;;
  esac
}

# What is not done yet of a transaction that was told before, as NAME:ARCHITECTURE NEW [OLD].
undone() {
  for package in "$@"; do
    old=$(dpkg-query -W -f '${db:Status-Status} ${Version}\n' -- "${package%%=*}" 2>/dev/null | sed -n '/^not-installed /d; /^config-files /d; s/^[^ ]* //p')
    [ "$old" = "${package#*=}" ] || say "${package%%=*} ${package#*=}${old:+ $old}"
  done
}

apply() {
  helper=$1 name=$2 target=$3
  shift 3
  [ "$(installed "$name")" != "$target" ] || { say "$name $target is installed already"; return 0; }
  # What a run that was cut off left half done stands in the way of every other.
  [ -z "$(dpkg --audit 2>&1)" ] || sudo -n "$helper" apt-repair || fail 'packages are half installed and could not be repaired; nothing was changed'
  [ "$(installed "$name")" != "$target" ] || { say "$name $target was half installed, and is repaired"; return 0; }
  if [ "$#" -gt 0 ]; then
    changes=$(undone "$@")
  else
    simulated=$(simulate "$name" "$target") || fail "$simulated"
    changes=$(say "$simulated" | closure)
  fi
  [ -n "$changes" ] || fail "nothing is to be changed for $name=$target, and it is not installed"
  keep_replaced "$helper" "$changes"
  # The item first: what is replaced is noted under its name.
  # shellcheck disable=SC2046
  sudo -n "$helper" apt-install $(say "$changes" | awk -v item="$name" '{ package = $1 "=" $2 } index($1, item ":") == 1 { print package; next } { rest = rest " " package } END { print rest }')
}

# The item alone says nothing: what came with it may still be new, or half installed.
back() {
  helper=$1 name=$2 target=$3 previous=$4
  if [ ! -f "$REPLACED/$name=$target" ]; then
    [ "$(installed "$name")" = "$previous" ] && [ -z "$(dpkg --audit 2>&1)" ] || fail "it is not noted here what $name $target replaced"
    say "$name $previous is installed already"
    return 0
  fi
  awk -v item="$name:" -v old="$previous" 'index($1, item) == 1 && $3 == old { found = 1 } END { exit !found }' "$REPLACED/$name=$target" ||
    fail "$name $target did not replace $previous here, but another version"
  sudo -n "$helper" apt-return "$name=$target"
}

verify() {
  name=$1 target=$2
  state=$(state "$name" "$target")
  case $state in 'yes '*) say "installed $(installed "$name")" ;; *) say 'installed ' ;; esac
  say "state $state"
  reboot_pending
}

# Whether what is installed is whole: the item, what came with it, and every other package.
state() {
  # While somebody changes packages, nothing is known for sure.
  holder=$(lock_holder)
  [ -z "$holder" ] || { say "unclear dpkg is in use by $holder"; return; }
  status=$(status_of "$1")
  version=${status##* }
  case $status in
    'installed ok '*) ;;
    '' | not-installed* | config-files*) say "no $1 is not installed"; return ;;
    *) say "no $1 $version is half installed (dpkg says ${status% *})"; return ;;
  esac
  audit=$(dpkg --audit 2>&1 | head -3 | tr '\n' ' ')
  [ -z "$audit" ] || { say "no packages are half installed: $audit"; return; }
  other=$([ "$version" = "$2" ] || not_back "$REPLACED/$1=$2")
  if [ -n "$other" ]; then say "no what came with $1 $2 is not back: $other"; else say "yes $1 $version is installed and configured"; fi
}

# What an item replaced, by its note, and is not what it was before.
not_back() {
  cat -- "$1" 2>/dev/null | while read -r package new old; do
    [ "$(dpkg-query -W -f '${Version}' -- "$package" 2>/dev/null)" = "$old" ] || printf '%s should be %s; ' "$package" "$old"
  done
}

# A kernel keeps its name over small updates, so that its file says nothing; when its package was unpacked does.
reboot_pending() {
  running=$(uname -r)
  # Other flavours (-rt, -cloud) are not what this host boots, and *.old is what it booted before.
  newest=$(ls /boot 2>/dev/null | sed -n "s/^vmlinuz-\(.*[0-9]-${running##*[0-9]-}\)\$/\1/p" | sort -V | tail -1)
  booted=$(awk '$1 == "btime" { print $2 }' /proc/stat)
  unpacked=$(stat -c %Y /var/lib/dpkg/info/linux-image-"$running".list /var/lib/dpkg/info/linux-image-unsigned-"$running".list 2>/dev/null | sort -n | tail -1)
  if [ -e /run/reboot-required ]; then
    say "reboot needed a package asked for it: $(sort -u /run/reboot-required.pkgs 2>/dev/null | head -5 | tr '\n' ' ')"
  elif [ -n "$newest" ] && [ "$newest" != "$running" ]; then
    say "reboot needed kernel $newest is installed, $running runs"
  elif [ "${unpacked:-0}" -gt "${booted:-0}" ]; then
    say "reboot needed the package of the running kernel $running was installed again after the boot"
  else
    say "reboot none no package asked for it, and kernel $running is the newest of its flavour and as it was booted"
  fi
}

verb=$1
shift
case $verb in
  look) look "$@" ;;
  verify) verify "$@" ;;
  apply) apply "$@" ;;
  back) back "$@" ;;
  *) fail "there is no verb $verb" ;;
esac
