# Sourced by tools/run and tools/test: packages, configure, build. Needs root or sudo only where a package is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
fail() { printf 'failed: %s\n' "$*" >&2; exit 1; }

# install_packages KIND...: what is missing of the listed kinds.
install_packages() {
  local kinds="$*" missing=() kind package
  [ "$(. /etc/os-release; echo "${ID:-}${VERSION_ID:-}")" = debian12 ] || say "this is not Debian 12: packages may differ"
  while read -r kind package; do
    case " $kinds " in *" $kind "*) ;; *) continue ;; esac
    # From wherever they are: Debian's npm alone brings some hundred packages.
    case $package in
      nodejs) ! command -v node >/dev/null || continue ;;
      npm) ! command -v npm >/dev/null || continue ;;
    esac
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done < <(grep -v '^#' tools/packages)
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${#missing[@]} packages: ${missing[*]}"
  local root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "these packages are missing and there is no sudo: ${missing[*]}"
    root=(sudo)
  fi
  # A package must not start its own broker or server here: the tests start theirs on free ports.
  local policy=/usr/sbin/policy-rc.d made=
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
    "${root[@]}" chmod +x "$policy"
    made=1
  fi
  local ok=1
  "${root[@]}" apt-get update -qq >&2 || ok=
  [ -z "$ok" ] || "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 || ok=
  [ -z "$made" ] || "${root[@]}" rm -f "$policy"
  [ -n "$ok" ] || fail "apt-get could not install: ${missing[*]}"
}

# build PRESET TARGET...: configure and build; no target is everything.
build() {
  local preset=$1
  shift
  say "building (preset $preset; from nothing this takes a few minutes)"
  cmake --preset "$preset" >"/tmp/bridge55-configure.$$" 2>&1 || { cat "/tmp/bridge55-configure.$$" >&2; rm -f "/tmp/bridge55-configure.$$"; fail "cmake could not configure"; }
  rm -f "/tmp/bridge55-configure.$$"
  cmake --build "build/$preset" ${*:+--target "$@"} >&2 || fail "the build"
}
