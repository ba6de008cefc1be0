#!/usr/bin/env bash
# Shows that engines load INT8 downloads and compute right with them.
#
#   scripts/test-engines.sh [--short] [--engine NAME]... [--format F]... [--only NAME]...
#                           [--bin-dir DIR]
#
#   --engine   transformers5, transformers4 or vllm; may be repeated (default: all)
#   --format   an INT8 format of qstore-client; may be repeated (default: all)
#   --only     an architecture of scripts/engines/architectures.py; may be repeated
#   --short    ten architectures, without vLLM
#   --bin-dir  qstored and qstore-client (QSTORE_BIN_DIR; default: builds the release)
#
# Makes tiny models with Transformers' own classes, stores them in a qstored of its
# own, and loads their INT8 downloads with each engine. Fails unless every weight is
# there and is codes * scales, or the original's when it is not quantized, nothing is
# made up, and the outputs agree: with the same weights in floats (cosine 0.9999) and
# with the original (0.98). A model that gives no INT8 must be marked as such in
# architectures.py. MiniLM, with real weights, is compared as well (not with --only).
#
# Needs PyPI for the first run, 7 GB of disk in .cache/engines (or QSTORE_ENGINES_DIR).
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
source "$QSTORE_ROOT/scripts/engines/environments.sh"

short=0 engines=() options=() only=0 bin_dir=${QSTORE_BIN_DIR:-}
usage() { sed -n '4,5s/^# *//p' "$0" >&2; exit 2; }
while [ $# -gt 0 ]; do
  case "$1" in
    --short) short=1; options+=(--short); shift; continue ;;
    --engine | --format | --only | --bin-dir) [ $# -ge 2 ] || usage ;;
    *) usage ;;
  esac
  case "$1" in
    --engine) engines+=("$2") ;;
    --bin-dir) bin_dir=$2 ;;
    --only) only=1; options+=("$1" "$2") ;;
    --format) options+=("$1" "$2") ;;
  esac
  shift 2
done
if [ ${#engines[@]} -eq 0 ]; then
  engines=(transformers5 transformers4)
  [ $short -eq 1 ] || engines+=(vllm)
fi
for engine in "${engines[@]}"; do
  [ -e "$requirements_directory/$engine.txt" ] && [ "$engine" != base ] ||
    die "there is no engine $engine: use transformers5, transformers4 or vllm"
done

if [ -z "$bin_dir" ]; then
  "$QSTORE_ROOT/scripts/setup-debian.sh" demo
  say "building (release)"
  build release qstored qstore-client
  bin_dir=$(build_directory release)/bin
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/qstore-engines.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
touch "$work/results"
for engine in "${engines[@]}"; do
  environment "$engine"
  say "$engine"
  program=check_transformers.py
  [ "$engine" != vllm ] || program=check_vllm.py
  "$engines_directory/$engine/bin/python" "$QSTORE_ROOT/scripts/engines/$program" \
    --engine "$engine" --bin-dir "$bin_dir" --results "$work/results" "${options[@]}" ||
    die "the check of $engine broke off: see above"
done

minilm=0
if [ $only -eq 0 ] && [[ " ${engines[*]} " == *" transformers5 "* ]]; then
  source "$QSTORE_ROOT/scripts/engines/minilm.sh"
  check_minilm "$bin_dir" "$work" "$engines_directory/transformers5/bin/python" || minilm=1
fi
"$PYTHON" "$QSTORE_ROOT/scripts/engines/report.py" "$work/results"
[ $minilm -eq 0 ] || die "Transformers does not reproduce the original's embeddings of MiniLM"
say "every engine gave what is expected"
