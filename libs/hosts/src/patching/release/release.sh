# Patch source "release", the host's side. Run as: sh -s -- VERB FOLDER LINK NAME PROGRAM ARGUMENT (in the host's root).
# FOLDER holds one directory per release, LINK points at the one in use, PROGRAM (or -) is a program in each release
# that answers --version. Answers are lines "word rest".
#
#   look DIRECTORY     what is installed, whether DIRECTORY is a complete release, whether the way back works
#   flip DIRECTORY VERSION
#   back VERSION       flips to the directory that holds VERSION

set -u
LC_ALL=C
export LC_ALL
umask 022
verb=$1 folder=$2 link=$3 name=$4 program=$5

# version_of DIRECTORY: by the file RELEASE_VERSION, else by its program, else by its name. Sets `version`.
version_of() {
  version=
  if [ -r "$folder/$1/RELEASE_VERSION" ]; then
    IFS= read -r version <"$folder/$1/RELEASE_VERSION"
  elif [ "$program" != - ] && [ -x "$folder/$1/$program" ]; then
    version=$("$folder/$1/$program" --version 2>/dev/null </dev/null | sed -n '1s/.*[^0-9.]\([0-9][0-9.]*\).*/\1/p')
  fi
  if [ -z "$version" ]; then
    case $1 in "$name"-*) version=${1#"$name"-} ;; esac
  fi
}

# complete DIRECTORY: 0 yes, 1 no, 2 cannot be told; sets `why`.
complete() {
  release=$folder/$1
  if [ ! -d "$release" ]; then why="there is no directory $release"; return 1; fi
  if [ ! -r "$release" ] || [ ! -x "$release" ]; then why="$release cannot be read"; return 1; fi
  if [ -r "$release/SHA256SUMS" ]; then
    why=$(cd "$release" && sha256sum --quiet -c SHA256SUMS 2>&1 </dev/null) || { why="$release differs from its SHA256SUMS: $(first "$why")"; return 1; }
    why="$release matches its SHA256SUMS"
    [ "$program" = - ] && return 0
  elif [ "$program" = - ]; then
    why="$release has no SHA256SUMS, and no program is named that could answer --version"
    return 2
  fi
  if [ ! -x "$release/$program" ]; then why="$release/$program is missing or may not be run"; return 1; fi
  why=$("$release/$program" --version 2>&1 </dev/null) || { why="$release/$program does not run: $(first "$why")"; return 1; }
  why="$release/$program says $(first "$why")"
}

first() { printf '%s' "$1" | head -n 1 | cut -c 1-200; }

# in_use: sets `current` to the directory below FOLDER that LINK points at.
in_use() {
  current=
  [ -L "$link" ] || return 1
  target=$(cd "$link" 2>/dev/null && pwd -P) || return 1
  base=$(cd "$folder" 2>/dev/null && pwd -P) || return 1
  case $target in "$base"/*/*) return 1 ;; "$base"/*) current=${target#"$base"/} ;; *) return 1 ;; esac
}

# point LINK DIRECTORY: a new link is made beside the old one and renamed over it, so there is no moment without one.
point() {
  rm -f "$1.new.$$"
  ln -s "$(cd "$folder" && pwd)/$2" "$1.new.$$" || return 1
  if mv -T "$1.new.$$" "$1" 2>/dev/null || mv -fh "$1.new.$$" "$1" 2>/dev/null; then
    sync "$(dirname "$1")"
    return 0
  fi
  rm -f "$1.new.$$"
  return 1
}

# rehearse NEW OLD: both flips, on a link of our own beside the real one's folder, and the old program through it.
rehearse() {
  scratch=.understudy/rehearsal.$$
  mkdir -p "$scratch" || { why='the host root cannot be written'; return 1; }
  if ! { point "$scratch/link" "$2" && point "$scratch/link" "$1" && point "$scratch/link" "$2"; }; then
    why='the link could not be flipped and flipped back'
    rm -rf "$scratch"
    return 1
  fi
  why="flipped to $folder/$1 and back to $folder/$2 on a scratch link"
  if [ "$program" != - ] && ! "$scratch/link/$program" --version >/dev/null 2>&1 </dev/null; then
    why="$folder/$2/$program does not run through a flipped link"
    rm -rf "$scratch"
    return 1
  fi
  rm -rf "$scratch"
  [ -w "$(dirname "$link")" ] || { why="$(dirname "$link") cannot be written, so $link cannot be flipped"; return 1; }
}

tell() { # WORD CODE
  case $2 in 0) printf '%s yes %s\n' "$1" "$why" ;; 2) printf '%s unclear %s\n' "$1" "$why" ;; *) printf '%s no %s\n' "$1" "$why" ;; esac
}

look() { # DIRECTORY
  if in_use; then
    version_of "$current"
    printf 'installed %s\n' "$version"
    complete "$current"
    tell current $?
  else
    printf 'installed\n'
    printf 'current no %s is not a link to a directory in %s\n' "$link" "$folder"
  fi
  complete "$1"
  found=$?
  tell target "$found"
  version_of "$1"
  printf 'target-version %s\n' "$version"
  if [ -z "$current" ]; then
    printf 'way-back no %s points at no release, so there is none to return to\n' "$link"
    return 0
  fi
  complete "$current"
  known=$?
  if [ "$known" != 0 ]; then tell way-back "$known"; return 0; fi
  if [ "$found" = 1 ]; then new=$current; else new=$1; fi
  rehearse "$new" "$current"
  tell way-back $?
}

flip() { # DIRECTORY VERSION
  complete "$1"
  [ $? != 1 ] || { echo "not flipped: $why" >&2; exit 1; }
  version_of "$1"
  [ "$version" = "$2" ] || { echo "not flipped: $folder/$1 holds ${version:-an unknown version}, wanted is $2" >&2; exit 1; }
  if in_use && [ "$current" = "$1" ]; then
    echo "$link points at $folder/$1 already"
    exit 0
  fi
  point "$link" "$1" || { echo "$link could not be flipped" >&2; exit 1; }
  in_use && [ "$current" = "$1" ] || { echo "$link does not point at $folder/$1 after the flip" >&2; exit 1; }
  echo "$link now points at $folder/$1 ($2)"
}

back() { # VERSION
  version_of "$name-$1"
  if [ -d "$folder/$name-$1" ] && [ "$version" = "$1" ]; then flip "$name-$1" "$1"; return; fi
  for path in "$folder"/*/; do
    path=${path%/}
    version_of "${path##*/}"
    if [ "$version" = "$1" ]; then flip "${path##*/}" "$1"; return; fi
  done
  echo "no directory in $folder holds version $1" >&2
  exit 1
}

shift 5
case $verb in look) look "$1" ;; flip) flip "$1" "$2" ;; back) back "$1" ;; *) echo "not a verb: $verb" >&2; exit 64 ;; esac
