/**
 * What a practice host does when it boots and when it is rebooted, as POSIX sh programs in the host's root. They are
 * the host's own, as an init system is; nothing of the product runs in them. No `setsid` and no `pidof`: macOS has neither.
 */

/** Starts PostgreSQL only while the marker `autostart` exists, as an enabled unit would be. Does not wait for it to accept connections. */
export const bootScript = `#!/bin/sh
# Boot of a practice host: starts PostgreSQL if it is enabled here (the file "autostart").
cd "$(dirname "$0")" || exit 1
[ -e autostart ] || { echo "autostart is off: PostgreSQL is not started"; exit 0; }
root=$(pwd -P)
owner=$(ls -ldn data | awk '{print $3}')
group=$(ls -ldn data | awk '{print $4}')
set -- "$root/current/bin/pg_ctl" -D "$root/data" -l "$root/log/postgresql.log" -W start
if [ "$(id -u)" = 0 ] && [ "$owner" != 0 ]; then
  if command -v setpriv >/dev/null 2>&1; then
    set -- setpriv --reuid "$owner" --regid "$group" --clear-groups "$@"
  else
    user=$(id -nu "$owner") || exit 1
    set -- su -m "$user" -c 'exec "$0" "$@"' "$@"
  fi
fi
exec "$@" </dev/null >/dev/null 2>&1
`;

/** SIGKILL of every process of this host's PostgreSQL, a new boot id, then the boot script. Nothing is shut down politely. */
export const rebootScript = `#!/bin/sh
# Reboot of a practice host, as if the power had been cut.
cd "$(dirname "$0")" || exit 1
root=$(pwd -P)
if [ -s data/postmaster.pid ]; then
  postmaster=$(head -n 1 data/postmaster.pid)
  case "$(ps -o args= -p "$postmaster" 2>/dev/null)" in
    *"$root/data"*)
      children=$(ps -A -o pid= -o ppid= | awk -v parent="$postmaster" '$2 == parent { print $1 }')
      kill -9 "$postmaster" $children 2>/dev/null
      tries=0
      for pid in "$postmaster" $children; do
        while kill -0 "$pid" 2>/dev/null && [ "$(ps -o stat= -p "$pid" 2>/dev/null | cut -c 1)" != Z ]; do
          tries=$((tries + 1))
          [ "$tries" -lt 200 ] || { echo "process $pid does not die" >&2; exit 1; }
          sleep 0.05
        done
      done ;;
  esac
fi
# Process ids start anew after a reboot: the lock file of the dead postmaster must not name a stranger.
rm -f data/postmaster.pid
od -A n -N 16 -t x1 /dev/urandom | tr -d ' \\n' > boot_id.new
mv boot_id.new boot_id
exec ./boot
`;
