# shellcheck shell=sh disable=SC2154
# Part of the privileged helper, see helper.sh.

# ---------------------------------------------------------------- packages

# NAME=VERSION as apt means it, and nothing that apt reads otherwise: no option, file, pattern or sign at the end.
checked_packages() {
  [ "$#" -ge 1 ] || refuse 'no package was named. Give NAME=VERSION'
  [ "$#" -le 500 ] || refuse "$# packages are more than 500"
  for package in "$@"; do
    case $package in
      *[!A-Za-z0-9+.:=~-]* | '' | *=*=* | *[!A-Za-z0-9] | *=[!0-9A-Za-z]*) refuse "\"$package\" is no NAME=VERSION" ;;
      [a-z0-9]?*=?*) ;;
      *) refuse "\"$package\" is no NAME=VERSION" ;;
    esac
    case ${package%%=*} in *[!a-z0-9+.:-]*) refuse "\"$package\" is no NAME=VERSION" ;; esac
  done
}

# Conffiles of this host are kept, nobody is asked anything, and another's lock is waited for.
apt() {
  DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none NEEDRESTART_MODE=l NEEDRESTART_SUSPEND=1 \
    apt-get -q -y --no-remove --no-install-recommends \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    -o DPkg::Lock::Timeout="$LOCK_WAIT_S" "$@"
}

# What a simulation would install, line by line as NAME:ARCHITECTURE NEW OLD, with - for the old version of what is new; it may remove
# nothing.
transaction() {
  printf '%s\n' "$1" | grep -q '^Remv ' && refuse "packages would be removed: $(printf '%s\n' "$1" | grep '^Remv ' | head -5 | tr '\n' ';')"
  printf '%s\n' "$1" |
    sed -n 's/^Inst \([^ :]*\)[^ ]* \(\[\([^]]*\)\] \)\{0,1\}(\([^ ]*\) .*\[\([^]]*\)\]).*$/\1:\5 \4 \3/p' | sed 's/ $/ -/' | sort -u
}

# Sets `changes` to what an installation would do, if that is what was listed and nothing beside it. $1: the list; the rest: apt's arguments.
exactly() {
  listed=" $1 "
  shift
  simulated=$(apt -s "$@" 2>&1) || {
    code=$?
    printf '%s\n' "$simulated" >&2
    exit "$code"
  }
  wanted=$(printf '%s\n' "$simulated" | grep -c '^Inst ')
  changes=$(transaction "$simulated") || exit 64
  [ "$(printf '%s\n' "$changes" | grep -c .)" -eq "$wanted" ] || refuse 'the simulation could not be read'
  beside=$(printf '%s\n' "$changes" | while read -r name new old; do
    [ -n "$name" ] || continue
    case $listed in *" $name=$new "* | *" ${name%:*}=$new "*) ;; *) printf '%s ' "$name=$new" ;; esac
  done)
  [ -z "$beside" ] || refuse "apt would also install ${beside}which was not listed. Have the plan made again"
}

# What dpkg knows of NAME:ARCHITECTURE, such as "installed ok 1.0"; empty: nothing.
state_of() { dpkg-query -W -f '${db:Status-Status} ${db:Status-Eflag} ${Version}\n' -- "$1" 2>/dev/null; }

# apt ends well also where it did a part: each NAME:ARCHITECTURE=VERSION has to be there, and no package half installed.
arrived() {
  for package in "$@"; do
    state=$(state_of "${package%%=*}")
    [ "$state" = "installed ok ${package#*=}" ] || {
      printf '%s was to be installed, and dpkg says of it: %s\n' "$package" "${state:-nothing}" >&2
      exit 100
    }
  done
  audit=$(dpkg --audit 2>&1 | head -5)
  [ -z "$audit" ] || {
    printf 'packages are half installed: %s\n' "$audit" >&2
    exit 100
  }
}

# At most once in a while, whoever asks how often; 75: somebody is at it.
apt_refresh() {
  only "$#" 0 'apt-refresh has no arguments'
  mkdir -p "${REFRESHED%/*}" && safe "${REFRESHED%/*}" && exec 9>"${REFRESHED%/*}/refreshing" || exit
  flock -n 9 || exit 75
  [ -z "$(find "$REFRESHED" -mmin "-$FRESH_MIN" 2>/dev/null)" ] || return 0
  apt --error-on=any update 9>&- && touch "$REFRESHED"
}

# The item is the first package.
apt_install() {
  checked_packages "$@"
  exactly "$*" install "$@"
  coming=$(printf '%s\n' "$changes" | awk 'NF { print $1 "=" $2 }')
  # Kept before it comes, for it is what the next item replaces, when the archive may have forgotten it. apt then takes it from there.
  # shellcheck disable=SC2086
  keep $coming || exit
  [ -z "$coming" ] || note "$(note_of "$1")" || exit
  apt -o Dir::Cache::archives="$KEPT" install "$@" || exit
  # shellcheck disable=SC2086
  arrived $coming
  forget
}

# The file for an item, by its name without an architecture.
note_of() {
  name=${1%%=*}
  printf '%s/%s=%s' "$REPLACED" "${name%%:*}" "${1#*=}"
}

# Before anything is replaced. An attempt that was cut off has left its lines: the old version is the one before the first attempt, also
# of what that attempt has replaced already.
note() {
  before=$(cat -- "$1" 2>/dev/null)
  put "$1" "$({
    printf '%s\n' "$changes" | while read -r name new old; do
      [ -n "$name" ] || continue
      noted=$(printf '%s\n' "$before" | awk -v name="$name" -v now="$old" '$1 == name && ($2 == now || $3 == now) { print $3 }')
      printf '%s %s %s\n' "$name" "$new" "${noted:-$old}"
    done
    printf '%s\n' "$before" | while read -r name new old; do
      case "$changes" in "$name "* | *"
$name "*) continue ;; esac
      case $(state_of "$name") in *" $new") printf '%s %s %s\n' "$name" "$new" "$old" ;; esac
    done
  } | sort -u)"
}

# The way back: what the item replaced, from files that were kept here before, whatever the archive holds by now.
apt_return() {
  checked_packages "$@"
  only "$#" 1 'apt-return takes the item alone, NAME=VERSION'
  note=$(note_of "$1")
  [ -f "$note" ] || refuse "it is not noted here what $1 replaced"
  safe "$note"
  safe "$KEPT"
  # A run that was cut off is closed first, for apt does nothing before; no script of a package is run for it.
  dpkg --triggers-only --pending >/dev/null 2>&1
  set --
  listed=
  while read -r name new old; do
    [ "$old" != - ] || refuse "$name is new with this patch and would stay; take it away by hand, and bring the others back by hand"
    state=$(state_of "$name")
    case $state in
      "installed ok $old") continue ;;
      "installed ok $new") ;;
      'installed ok '*) refuse "$name is ${state#installed ok } by now, which is not what this patch installed" ;;
    esac
    file=$(kept_file "$name=$old") || exit
    listed="$listed $name=$old"
    set -- "$@" "$file"
  done <"$note"
  if [ "$#" -gt 0 ]; then
    # A package of that version whose unpacking was cut off is unpacked again.
    exactly "${listed# }" --allow-downgrades --reinstall install "$@"
    apt --allow-downgrades --reinstall install "$@" || exit
  fi
  # shellcheck disable=SC2046
  arrived $(awk '{ print $1 "=" $3 }' "$note")
  rm -f -- "$note"
}

# The file of NAME:ARCHITECTURE=VERSION in a folder, if it can be read to its end and is what its name says. $1: the folder.
package_file() {
  name=${2%%=*}
  for architecture in "${name#*:}" all; do
    file=$1/${name%%:*}_$(printf '%s' "${2#*=}" | sed 's/:/%3a/g')_$architecture.deb
    [ "$(dpkg-deb -W --showformat='${Package} ${Version} ${Architecture}' "$file" 2>/dev/null)" = "${name%%:*} ${2#*=} $architecture" ] || continue
    dpkg-deb --fsys-tarfile "$file" >/dev/null 2>&1 || continue
    printf '%s' "$file"
    return 0
  done
  return 1
}

kept_file() {
  package_file "$KEPT" "$1" || refuse "the package file of $1 is not kept in $KEPT, or not whole"
}

# Keeps the files of packages, each whole or not at all: they are fetched beside, looked through, synced and then moved in.
keep() (
  mkdir -p "$KEPT" && safe "$KEPT" || exit
  find "$KEPT" -maxdepth 1 -name '.fetch.*' -mmin +1440 -exec rm -rf {} +
  missing=
  for package in "$@"; do
    if file=$(package_file "$KEPT" "$package"); then touch -- "$file"; else missing="$missing $package"; fi
  done
  [ -n "$missing" ] || exit 0
  folder=$(mktemp -d "$KEPT/.fetch.XXXXXX") || exit 1
  trap 'rm -rf -- "$folder"' EXIT
  # shellcheck disable=SC2086
  cd "$folder" && apt-get -q -o APT::Sandbox::User=root download $missing || exit
  for package in $missing; do
    file=$(package_file "$folder" "$package") || {
      printf 'what was fetched for %s is not that package, or not whole\n' "$package" >&2
      exit 1
    }
    touch -- "$file" && sync -- "$file" && mv -f -- "$file" "$KEPT/" || exit 1
  done
  sync -- "$KEPT"
)

# Of each package what is installed stays kept, and the two others that were kept last; notes stay for 400 days.
forget() {
  for package in $(find "$KEPT" -maxdepth 1 -name '*.deb' -printf '%f\n' | sed -n 's/^\([^_]*\)_[^_]*_\([^_]*\)\.deb$/\1_\2/p' | sort -u); do
    installed=$(dpkg-query -W -f '${Version}' -- "${package%_*}:${package#*_}" 2>/dev/null | sed 's/:/%3a/g')
    ls -t -- "$KEPT/${package%_*}_"*"_${package#*_}.deb" | grep -Fv "/${package%_*}_${installed}_" | tail -n +3 |
      while read -r file; do rm -f -- "$file"; done
  done
  find "$REPLACED" -type f -mtime +400 -delete
}

# Keeps the files of packages as they are installed, for the way back; nothing is installed.
apt_keep() {
  checked_packages "$@"
  for package in "$@"; do
    case ${package%%=*} in *:*) ;; *) refuse "\"$package\" is no NAME:ARCHITECTURE=VERSION" ;; esac
    case $(state_of "${package%%=*}") in
      *" ${package#*=}") ;;
      *) refuse "$package is not what is installed here" ;;
    esac
  done
  keep "$@"
}

# Ends what a killed run left half done. Nothing is removed and nothing new is installed for it.
apt_repair() {
  only "$#" 0 'apt-repair has no arguments'
  said=$(mktemp) || exit
  left_s=$LOCK_WAIT_S
  # dpkg does not wait for its lock itself. What it says goes to a file: a service that a package starts may keep a pipe open.
  until DEBIAN_FRONTEND=noninteractive dpkg --force-confdef --force-confold --configure -a >"$said" 2>&1; do
    code=$?
    grep -q 'locked by another process' "$said" && [ "$left_s" -gt 0 ] || break
    code=
    sleep 1
    left_s=$((left_s - 1))
  done
  cat "$said"
  rm -f "$said"
  [ -z "${code-}" ] || exit "$code"
  apt_check=$(apt-get -q check 2>&1) || {
    printf '%s\n' "$apt_check" >&2
    exit 100
  }
}

