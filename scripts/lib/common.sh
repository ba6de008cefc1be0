# Shared by the scripts of this directory; sourced, not run.
# shellcheck shell=bash
set -euo pipefail

QSTORE_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Debian's own interpreter: python3-numpy is installed for it and no other.
PYTHON=/usr/bin/python3

say() { printf '== %s\n' "$*"; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# debian_release: "12", "13", ...; empty elsewhere.
debian_release() {
  # shellcheck disable=SC1091
  (. /etc/os-release 2>/dev/null && [ "${ID:-}" = debian ] && printf '%s' "${VERSION_ID:-}") || true
}

# debian_codename: "bookworm", "trixie", ...; empty elsewhere.
debian_codename() {
  # shellcheck disable=SC1091
  (. /etc/os-release 2>/dev/null && [ "${ID:-}" = debian ] && printf '%s' "${VERSION_CODENAME:-}") || true
}

# image_base: what the image is made from.
image_base() { awk '/^FROM/ { image = $2 } END { print image }' "$QSTORE_ROOT/Dockerfile"; }

# build PRESET [TARGET...]: configures and builds a CMake preset.
build() {
  local preset=$1
  shift
  (
    cd "$QSTORE_ROOT"
    cmake --preset "$preset" >"$(build_log "$preset")" 2>&1 &&
      cmake --build --preset "$preset" ${1:+--target "$@"} >>"$(build_log "$preset")" 2>&1
  ) || {
    tail -n 60 "$(build_log "$preset")" >&2
    die "the $preset build failed; the whole log is $(build_log "$preset")"
  }
}

build_directory() { printf '%s' "$QSTORE_ROOT/build/$1"; }

build_log() {
  mkdir -p "$QSTORE_ROOT/build"
  printf '%s' "$QSTORE_ROOT/build/$1.log"
}

# sources PATTERN...: our files that match, from git when this is a clone, so
# that leftovers in the tree are not taken for sources.
sources() {
  cd "$QSTORE_ROOT"
  if git rev-parse --git-dir >/dev/null 2>&1; then
    git ls-files --cached --others --exclude-standard -- "$@" |
      while IFS= read -r file; do [ -e "$file" ] && printf '%s\n' "$file"; done
  else
    local pattern
    for pattern in "$@"; do
      find . -path ./build -prune -o -type f -name "$pattern" -print | sed 's|^\./||'
    done
  fi | LC_ALL=C sort
}
