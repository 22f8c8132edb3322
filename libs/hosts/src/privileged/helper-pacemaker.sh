# shellcheck shell=sh disable=SC2154
# Part of the privileged helper, see helper.sh.

# ---------------------------------------------------------------- Pacemaker

# A node is put on standby, banned and taken back by its own host alone. What is ours shows by its name: constraints begin with
# understudy-, and a mark on the host says that the standby is ours and what was there before. Nothing else is touched.
# Names are those that Pacemaker itself knows, in letters that no shell and no XML reads otherwise.

pacemaker_here() {
  checked_unit pacemaker.service
  self=$(crm_node -n) || refuse 'Pacemaker does not tell the name of this node'
  case $self in *[!A-Za-z0-9_.-]* | '' | [!A-Za-z0-9]*) refuse "\"$self\" cannot be the name of a node" ;; esac
}

checked_resource() {
  case $1 in *[!A-Za-z0-9_.-]* | '' | [!A-Za-z0-9_]*) refuse "\"$1\" cannot be the name of a resource" ;; esac
  configured resource | grep -Fxq -- "$1" || refuse "resource $1 is not in $CONFIG"
}

checked_member() {
  case $1 in *[!A-Za-z0-9_.-]* | '' | [!A-Za-z0-9]*) refuse "\"$1\" cannot be the name of a node" ;; esac
  crm_node -l | sed 's/^[0-9]* //;s/ .*$//' | grep -Fxq -- "$1" || refuse "there is no node $1"
}

# Parameters of resources and fence devices hold passwords: they stay here.
without_parameters() {
  sed -e '/<\(instance_attributes\|utilization\)[^>]*\/>/d' -e '/<instance_attributes/,/<\/instance_attributes>/d' \
    -e '/<utilization/,/<\/utilization>/d'
}

# Read only. Each part says what its program ended with.
pacemaker_look() {
  only "$#" 0 'pacemaker-look has no arguments'
  checked_unit pacemaker.service
  crm=$(crm_mon -1 --output-as=xml 2>/dev/null)
  printf '== crm_mon %s\n%s\n' "$?" "$crm"
  cib=$(cibadmin --query --scope configuration 2>/dev/null)
  printf '== cib %s\n%s\n' "$?" "$(printf '%s\n' "$cib" | without_parameters)"
  quorum=$(corosync-quorumtool -s 2>/dev/null)
  printf '== quorum %s\n%s\n' "$?" "$quorum"
  for unit in pacemaker corosync; do
    pid=$(systemctl show -p MainPID --value -- "$unit.service")
    [ "${pid:-0}" -eq 0 ] || printf '== program-%s %s\n' "$unit" "$(readlink -- "/proc/$pid/exe")"
  done
}

standby_value() {
  crm_attribute --node "$self" --name standby --lifetime forever --query --quiet 2>/dev/null
}

set_standby() {
  case $1 in
    none) crm_attribute --node "$self" --name standby --lifetime forever --delete ;;
    *) crm_attribute --node "$self" --name standby --lifetime forever --update "$1" ;;
  esac
}

# $1: on, or none: as it was before us.
pacemaker_standby() {
  only "$#" 1 'pacemaker-standby takes on or none'
  case $1 in on | none) ;; *) refuse "\"$1\" is neither on nor none" ;; esac
  pacemaker_here
  was=$(sed -n 's/^was=//p' "$MARKS/standby" 2>/dev/null)
  if [ "$1" = none ]; then
    [ -f "$MARKS/standby" ] || return 0
    set_standby "${was:-none}" && rm -f -- "$MARKS/standby"
    return
  fi
  if [ ! -f "$MARKS/standby" ]; then
    case $(standby_value) in
      '') was=none ;;
      off | false | no | 0) was=off ;;
      *) refuse "node $self is on standby, and that was not Understudy. Take it back first: crm_standby -N $self -D" ;;
    esac
    put "$MARKS/standby" "was=$was" || exit
  fi
  set_standby on
}

# The one constraint of this name: $1 name, $2 resource, $3 node, $4 score. For a promotable clone it is about who leads.
constrain() {
  led=
  ! promotable "$2" || led=' role="Promoted"'
  cibadmin --modify --allow-create --scope constraints \
    --xml-text "<rsc_location id=\"$1\" rsc=\"$2\" node=\"$3\" score=\"$4\"$led/>"
}

unconstrain() {
  cibadmin --query --xpath "//rsc_location[@id='$1']" >/dev/null 2>&1 || return 0
  cibadmin --delete --xml-text "<rsc_location id=\"$1\"/>"
}

promotable() {
  cibadmin --query --xpath "//clone[@id='$1']/meta_attributes/nvpair[@name='promotable'][@value='true']" >/dev/null 2>&1 ||
    cibadmin --query --xpath "//master[@id='$1']" >/dev/null 2>&1
}

# This node may not run the resource, or lead it.
pacemaker_ban() {
  only "$#" 1 'pacemaker-ban takes a resource'
  checked_resource "$1"
  pacemaker_here
  constrain "understudy-ban-$1-$self" "$1" "$self" -INFINITY
}

pacemaker_unban() {
  only "$#" 1 'pacemaker-unban takes a resource'
  checked_resource "$1"
  pacemaker_here
  unconstrain "understudy-ban-$1-$self"
}

pacemaker_move() {
  only "$#" 2 'pacemaker-move takes a resource and a node'
  checked_unit pacemaker.service
  checked_resource "$1"
  checked_member "$2"
  constrain "understudy-move-$1" "$1" "$2" INFINITY
}

pacemaker_clear() {
  only "$#" 1 'pacemaker-clear takes a resource'
  checked_unit pacemaker.service
  checked_resource "$1"
  unconstrain "understudy-move-$1"
}

# Asks Pacemaker's scheduler, on a copy, what would come of an act, and of a move also once it is cleared. Nothing is changed.
pacemaker_trial() {
  case $#:${1-} in
    2:standby | 2:online | 2:unban | 3:move) ;;
    *) refuse 'pacemaker-trial takes standby, online or unban with a resource, or move with a resource and a node' ;;
  esac
  checked_resource "$2"
  pacemaker_here
  [ "$1" != move ] || checked_member "$3"
  was=$(sed -n 's/^was=//p' "$MARKS/standby" 2>/dev/null)
  copy=$(mktemp -d /run/understudy-trial.XXXXXX) || exit
  trap 'rm -rf -- "$copy"' EXIT
  cibadmin --query >"$copy/now.xml" || exit
  CIB_shadow_dir=$copy CIB_file=$copy/now.xml
  export CIB_shadow_dir CIB_file
  case $1 in
    standby) set_standby on ;;
    online) constrain "understudy-ban-$2-$self" "$2" "$self" -INFINITY && set_standby "${was:-none}" ;;
    unban) unconstrain "understudy-ban-$2-$self" ;;
    move) constrain "understudy-move-$2" "$2" "$3" INFINITY ;;
  esac >/dev/null || exit
  simulate after "$copy/now.xml"
  [ "$1" = move ] || return 0
  CIB_file=$copy/after.xml
  unconstrain "understudy-move-$2" >/dev/null || exit
  simulate back "$copy/after.xml"
}

simulate() {
  printf '== %s\n' "$1"
  crm_simulate --xml-file "$2" --simulate --save-output "$copy/$1.xml" --output-as=xml || exit
}
