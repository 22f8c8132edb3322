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
