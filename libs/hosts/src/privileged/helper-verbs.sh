# shellcheck shell=sh disable=SC2154
# Part of the privileged helper, see helper.sh.

# ---------------------------------------------------------------- the list

verb=${1-}
[ "$#" -eq 0 ] || shift
case $verb in
  version)
    only "$#" 0 'version has no arguments'
    sha256sum -- "$0" | cut -d' ' -f1
    ;;
  apt-refresh) apt_refresh "$@" ;;
  apt-keep) apt_keep "$@" ;;
  apt-install) apt_install "$@" ;;
  apt-return) apt_return "$@" ;;
  apt-repair) apt_repair "$@" ;;
  unit-hold) unit_hold "$@" ;;
  unit-free) unit_free "$@" ;;
  unit-start) unit_do start "$@" ;;
  unit-stop) unit_do stop "$@" ;;
  patroni-tag) patroni_tag "$@" ;;
  redis-look) redis_look "$@" ;;
  pacemaker-look) pacemaker_look "$@" ;;
  pacemaker-standby) pacemaker_standby "$@" ;;
  pacemaker-ban) pacemaker_ban "$@" ;;
  pacemaker-unban) pacemaker_unban "$@" ;;
  pacemaker-move) pacemaker_move "$@" ;;
  pacemaker-clear) pacemaker_clear "$@" ;;
  pacemaker-trial) pacemaker_trial "$@" ;;
  reboot)
    only "$#" 0 'reboot has no arguments'
    # It runs until it dies with the host: to have ended means that the host will not reboot any more.
    systemctl reboot || exit
    sleep "$REBOOT_LIMIT_S"
    printf 'the host was told to reboot, and is still up after %s s\n' "$REBOOT_LIMIT_S" >&2
    exit 1
    ;;
  *) refuse "\"$verb\" is none of its verbs" ;;
esac
