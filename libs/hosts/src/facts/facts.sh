# What a host is, for drift and for the report. Prints lines "name<tab>value"; a line "name" alone = not to be had here.
# Only looks, only files and commands that need no privilege. What may leave the host is decided by the reader's list.
LC_ALL=C
export LC_ALL
say() { printf '%s\t%s\n' "$1" "$2"; }

say kernel.release "$(uname -r)"
say kernel.name "$(uname -s)"
say machine "$(uname -m)"
if [ -r /etc/os-release ]; then
  (
    . /etc/os-release
    say os.id "${ID:-}"
    say os.version "${VERSION_ID:-}"
    say os.name "${PRETTY_NAME:-}"
  )
else
  echo os.id
fi
if command -v dpkg-query >/dev/null 2>&1; then
  list=$(dpkg-query -W -f '${binary:Package} ${Version} ${db:Status-Abbrev}\n' 2>/dev/null | sort)
  say packages.count "$(printf '%s\n' "$list" | grep -c ' ii *$')"
  say packages.unfinished "$(printf '%s\n' "$list" | grep -c -v -E ' (ii|rc|hi|un) *$')"
  digest=$(printf '%s\n' "$list" | sha256sum)
  say packages.sha256 "${digest%% *}"
else
  echo packages.count
  echo packages.sha256
fi
if [ -d /run/systemd/system ] && command -v timedatectl >/dev/null 2>&1; then
  say time.synchronised "$(timedatectl show -p NTPSynchronized --value 2>/dev/null)"
else
  echo time.synchronised
fi
say time.zone "$(date +%Z)"
if [ -e /run/reboot-required ]; then say reboot.required yes; else say reboot.required 'no word of it'; fi

# The settings of the kernel that databases and clusters lean on, as they are now; `config./etc/sysctl.d` is what the next boot makes of them.
for name in vm.overcommit_memory vm.overcommit_ratio vm.swappiness vm.nr_hugepages vm.dirty_ratio vm.dirty_background_ratio \
  vm.dirty_bytes vm.dirty_background_bytes kernel.shmmax kernel.shmall kernel.sem kernel.panic net.core.somaxconn net.ipv4.ip_forward \
  net.ipv4.ip_nonlocal_bind net.ipv4.tcp_keepalive_time net.ipv4.tcp_retries2; do
  file=/proc/sys/$(printf '%s' "$name" | tr . /)
  [ ! -r "$file" ] || say "sysctl.$name" "$(tr -s '[:space:]' ' ' <"$file" | sed 's/ $//')"
done
pages=/sys/kernel/mm/transparent_hugepage/enabled
[ ! -r "$pages" ] || say sysctl.transparent_hugepage "$(sed -n 's/.*\[\(.*\)\].*/\1/p' "$pages")"

short() { printf '%.16s' "$1"; }

# digest NAME FILE...: of what stands in them, without comments and blank lines. Files that are not there count as empty; one that may
# not be read makes it a fact that is not to be had.
digest() {
  name=$1
  shift
  for file in "$@"; do [ ! -e "$file" ] || [ -r "$file" ] || { echo "config.$name"; return; }; done
  sum=$(cat -- "$@" 2>/dev/null | sed 's/^[[:space:]]*//; s/[[:space:]]*$//; /^[#;]/d; /^$/d' | grep -Ev "$without" | sha256sum)
  say "config.$name" "$(short "$sum")"
}
# A host's own name stands there as another one on each.
without='^(127\.|::1|fe00|ff0)'
digest /etc/hosts /etc/hosts
without='^$'
digest /etc/resolv.conf /etc/resolv.conf
digest /etc/nsswitch.conf /etc/nsswitch.conf
digest /etc/security/limits.d /etc/security/limits.conf /etc/security/limits.d/*.conf
digest /etc/sysctl.d /etc/sysctl.conf /etc/sysctl.d/*.conf
digest /etc/cron.d /etc/crontab /etc/cron.d/*
digest package-sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources /etc/yum.repos.d/*.repo
digest certificate-authorities /etc/ssl/certs/ca-certificates.crt
if command -v locale >/dev/null 2>&1; then
  sum=$(locale -a 2>/dev/null | sort | sha256sum)
  say config.locales "$(short "$sum")"
fi

# Room on disks, coarsely: what changes with every look is no fact.
df -PTk 2>/dev/null | awk 'NR > 1 && $2 ~ /^(ext[234]|xfs|btrfs|zfs|overlay)$/ { print $7 "\t" ($6 + 0 > 90 ? "low" : "enough") }' | sort -u | head -20 |
  while IFS="$(printf '\t')" read -r mount room; do say "disk.$mount" "$room"; done

if [ -d /run/systemd/system ]; then
  systemctl list-unit-files --type=service,timer --state=enabled,masked --no-legend --no-pager 2>/dev/null |
    while read -r unit state _; do say "service.$unit" "$state"; done
  systemctl list-units --type=service --state=failed --no-legend --no-pager --plain 2>/dev/null |
    while read -r unit _; do say "failed.$unit" yes; done
  # Who else changes this host by himself.
  for unit in puppet chef-client salt-minion cfengine3 dnf-automatic.timer dnf-automatic-install.timer yum-cron ansible-pull.timer; do
    ! systemctl is-enabled --quiet "$unit" 2>/dev/null || say "automation.${unit%.timer}" on
  done
  if command -v unattended-upgrade >/dev/null 2>&1 && systemctl is-enabled --quiet apt-daily-upgrade.timer 2>/dev/null; then
    case $(apt-config dump APT::Periodic::Unattended-Upgrade 2>/dev/null) in *'"0"'* | *'""'* | '') ;; *) say automation.unattended-upgrades on ;; esac
  fi
fi
